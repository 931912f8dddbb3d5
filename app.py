"""Site map of the web front end."""

import streamlit as st

from estimator.web import accuracy_page, calibrate_page, estimate_page

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
    [
        st.Page(estimate_page.page, title="Estimate", url_path="estimate", default=True),
        st.Page(accuracy_page.page, title="How right are we?", url_path="accuracy"),
        st.Page(calibrate_page.page, title="Calibrate", url_path="calibrate"),
    ],
    position="hidden" if st.context.is_embedded or "show" in st.query_params else "top",
).run()
