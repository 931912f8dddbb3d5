"""The web app: what `streamlit run` and `twenty-watts app` start."""

from estimator.web.shared import site
from estimator.web.site_map import PAGES

site.run(PAGES)
