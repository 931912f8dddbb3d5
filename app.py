"""Web app, started by `streamlit run` and `twenty-watts app`."""

from estimator.web.shared import site
from estimator.web.site_map import PAGES

site.run(PAGES)
