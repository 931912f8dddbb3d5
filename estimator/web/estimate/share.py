"""Share an answer: the link, the numbers as files, the slides, and snippets to paste elsewhere."""

from collections.abc import Mapping

from estimator.estimation.equivalents import as_json
from estimator.estimation.scenario_estimate import Answer
from estimator.web.estimate import text as words
from estimator.web.shared import language, share
from estimator.web.shared.language import _
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import csv_text, results_rows


def draw_share(answer: Answer, query: Mapping[str, str], slides: Mapping[str, str]) -> None:
    """Draw the link, the downloads and the snippets."""
    spoken = language.current()
    files = (
        share.json("twenty-watts", lambda: as_json(answer, open_catalog())),
        share.csv("twenty-watts", lambda: csv_text(results_rows(answer))),
    )
    offline = share.File(
        label=_("Download the figure with sliders"),
        name="twenty-watts-figure.html",
        mime="text/html",
        content=lambda: _figure(answer, spoken),
    )
    title = words.title(answer, open_catalog())
    share.draw(slides, query, title=title, files=files, offline=offline)


def _figure(answer: Answer, spoken: str) -> bytes:
    """Figure whose sliders work without a server, in the language of the page."""
    from estimator.web.offline.export import Wish, content_of

    language.use(spoken)
    return content_of(".html", Wish(name="scenario"), answer, open_catalog())
