"""Site map of the web front end."""

import streamlit as st

from estimator.web import estimate_page

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" '
    'fill="#005B96"/><path d="M18 5 8 18h7l-1 9 10-13h-7z" fill="#fff"/></svg>'
)

st.set_page_config(
    page_title="Twenty Watts",
    page_icon=ICON,
    layout="wide",
    initial_sidebar_state=368,
)
st.navigation(
    [st.Page(estimate_page.page, title="Estimate", url_path="estimate", default=True)],
    position="top",
).run()
