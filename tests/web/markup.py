"""HTML of a page without the marks inside a running text."""

import re


def unmarked(body):
    """Take off what keeps amounts together, explains words and makes them bold."""
    plain = re.sub(r"</?(?:abbr|b)\b[^>]*>", "", body)
    return re.sub(r'<span class="tw-amount">([^<]*)</span>', r"\1", plain)
