"""The site as a whole: pages, groups, slides, the recipe for another page."""

from pathlib import Path
from urllib.parse import parse_qsl

from estimator.runs.store_state import store_state
from estimator.system.data_folder import data_directory
from estimator.web.home.page import cards
from estimator.web.shared import language, share, snippets
from estimator.web.site_map import PAGES
from tests.web.markup import healthy, text_of, visited

WEB = Path(__file__).parents[2] / "estimator" / "web"


def test_every_page_has_a_path_of_its_own_and_a_folder_of_that_name():
    paths = [page.path for page in PAGES]
    assert len(set(paths)) == len(paths)
    assert all((WEB / path / "page.py").is_file() for path in paths)


def test_every_folder_of_a_page_is_on_the_site_map():
    folders = {path.parent.name for path in WEB.glob("*/page.py")}
    assert folders == {page.path for page in PAGES}


def test_every_page_has_slides_and_says_what_is_on_them():
    for page in PAGES:
        assert page.slides
        assert all(name.isidentifier() and text.strip() for name, text in page.slides.items())


def test_a_snippet_holds_the_address_and_nothing_of_a_title_breaks_out():
    address = "http://localhost:8501/?show=parts&fs=1.4"
    title = '7B on "64 H100" <script>\nnext [line]'
    for name, writer, _language in snippets.WRITERS.values():
        text = writer(address, title)
        assert "show=parts" in text, name
        assert "<script>" not in text or name in ("Quarto", "PowerPoint", "Jupyter", "Markdown")
    for writer in (snippets.iframe, snippets.reveal):
        assert '"64 H100"' not in writer(address, title)
    assert "\n" not in snippets.markdown(address, title)


def test_a_local_address_comes_with_the_command_that_opens_the_same_elsewhere():
    page = visited("brain", years="30")
    (command,) = [one.value for one in page.code if one.value.startswith("twenty-watts app")]
    assert "--open '?v=1&" in command and "years=30" in command
    assert "This address works on this computer only" in text_of(page)


def test_a_public_address_comes_with_its_qr_code(monkeypatch):
    public = "https://watts.example.org/brain?years=30"
    monkeypatch.setattr(share, "address_of", lambda *_query, **_look: public)
    page = visited("brain")
    page.session_state["fold_qr"] = True
    healthy(page.run())
    drawn = "".join(one.proto.body for one in page.get("html"))
    assert share.qr_code(public) in drawn
    assert "<svg" not in drawn, "st.html would remove it"
    assert share.qr_code(public) != share.qr_code(public.replace("30", "20"))
    assert "This address works on this computer only" not in text_of(page)


def test_a_text_without_a_translation_stays_english():
    language.use("de")
    try:
        assert language._("Estimate") == "Schätzung"
        assert language._("no such text") == "no such text"
        assert language.ngettext("{n} run", "{n} runs", 2) == "{n} runs"
    finally:
        language.use("en")


def test_the_front_door_answers_its_questions_as_their_pages_do():
    page = visited("home")
    for card in cards("en", store_state(data_directory())):
        assert card.figure in text_of(page)
        path, _mark, query = card.address.partition("?")
        opened = text_of(visited(path, **dict(parse_qsl(query))))
        figure = {"claims": "355 years", "estimate": card.figure.rpartition(", ")[2]}
        figure["report"] = card.figure.partition(" of")[0]
        assert figure.get(path, card.figure) in opened
