"""Share an answer: the link, the numbers as files, the slides, and snippets to paste elsewhere."""

import json
from collections.abc import Mapping

from estimator.estimation.answer_summary import as_json, headline
from estimator.estimation.scenario_answer import Answer
from estimator.web.shared import share
from estimator.web.shared.language import _
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import results_table


def draw_share(answer: Answer, query: Mapping[str, str], slides: Mapping[str, str]) -> None:
    """Draw the link, the downloads and the snippets."""
    files = (
        share.json("twenty-watts", lambda: json.dumps(as_json(answer), indent=2)),
        share.csv("twenty-watts", lambda: str(results_table(answer).to_csv(index=False))),
    )
    offline = share.File(
        label=_("Download the figure with sliders"),
        name="twenty-watts-figure.html",
        mime="text/html",
        content=lambda: _figure(answer),
    )
    share.draw(slides, query, title=headline(answer), files=files, offline=offline)


def _figure(answer: Answer) -> bytes:
    """Figure whose sliders work without a server."""
    from estimator.web.offline.export import Wish, content_of

    return content_of(".html", Wish(name="scenario"), answer, open_catalog())
