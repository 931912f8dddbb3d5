"""Figures without a server: the core's formulas in Vega give the core's numbers."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import vl_convert
import yaml

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.question.scenario import Scenario
from estimator.studies.trends.budget import cost_by_year
from estimator.web.offline import export, html, limits_figure
from estimator.web.offline.export import Wish, caption, content_of
from estimator.web.offline.page_picture import picture_file
from estimator.web.offline.scenario_figure import _estimate, model_of, specification
from estimator.web.offline.trace import Tape
from estimator.web.shared import language
from estimator.web.shared.charts import Look
from estimator.web.trends import page as trends

CATALOG = Catalog.open()
SCENARIOS = (
    Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0, site="us"),
    Scenario(preset="gpt-3", hardware="v100-sxm2-16", devices=1024.0, site="fr", interval=0.95),
    Scenario(params=1e9, tokens=2e10, hardware="a100-sxm-80", devices=8.0, pay="own", site="de"),
    Scenario(flop=1e15, hardware="human-brain", precision="equivalent"),
    Scenario(device_hours=1e4, hardware="tpu-v4", devices=32.0, site="se"),
    Scenario(params=7e9, tokens=1e9, finetune="lora", hardware="rtx-4090", attempts=2.0),
    Scenario(params=7e9, tokens=1e11, hardware="h100", devices=512.0, power_cap=400.0),
    Scenario(flop=1e22, hardware="h100", utilization=0.4, price=2.0, pue=1.1, devices=9.0),
)
ROWS = 125
"""Of each scenario: a thousand in all."""


def drawn(sliders, seed):
    """Values within the ends of the sliders, some of them at the ends."""
    rng = np.random.default_rng(seed)
    rows = {}
    for slider in sliders:
        places = rng.uniform(size=ROWS)
        places[:2] = 0.0, 1.0
        if slider.logarithmic:
            values = slider.low * (slider.high / slider.low) ** places
        else:
            values = slider.low + (slider.high - slider.low) * places
        rows[slider.name] = np.round(values) if slider.whole else values
    return rows


def by_vega(model, rows):
    """Evaluate the expressions of a figure by Vega itself: quantity -> low, mid, high."""
    return all_by_vega([(model, rows)])[0]


def all_by_vega(figures):
    """Evaluate several figures at once, each a model and values of its sliders.

    All numbers are the places of one mark, which costs Vega less than a mark for each.
    """
    data, keys = [], []
    for number, (model, rows) in enumerate(figures):
        names = {*rows, *model.steps}

        def cell(text, names=names):
            return re.sub(
                r"[A-Za-z_]\w*", lambda m: f"datum.{m[0]}" if m[0] in names else m[0], text
            )

        wanted = {
            f"{name}_{end}": text
            for name in model.bounds
            for end, text in enumerate(model.bounds[name])
        }
        values = [
            {**dict(zip(rows, map(float, row), strict=True)), "row": place}
            for place, row in enumerate(zip(*rows.values(), strict=True))
        ]
        steps = [
            {"type": "formula", "expr": cell(text), "as": name}
            for name, text in {**model.steps, **wanted}.items()
        ]
        place = f"{len(keys)} + {len(wanted)} * datum.row + indexof({json.dumps(list(wanted))}, "
        steps += [
            {"type": "fold", "fields": list(wanted)},
            {"type": "formula", "expr": f"{place}datum.key)", "as": "place"},
        ]
        data.append({"name": f"rows{number}", "values": values, "transform": steps})
        keys += [(number, name) for _row in values for name in wanted]
    data.append({"name": "all", "source": [one["name"] for one in data]})
    encode = {"x": {"field": "value"}, "y": {"field": "place"}}
    mark = {"type": "symbol", "from": {"data": "all"}, "encode": {"enter": encode}}
    scene = vl_convert.vega_to_scenegraph({"data": data, "marks": [mark]})["scenegraph"]
    found = [{} for _ in figures]
    (drawn,) = scene["items"][0]["items"]
    items = sorted(drawn["items"], key=lambda item: item.get("y", 0.0))
    for place, ((number, name), item) in enumerate(zip(keys, items, strict=True)):
        assert item.get("y", 0.0) == place
        found[number].setdefault(name, []).append(item.get("x", 0.0))
    return [{name: np.array(values) for name, values in one.items()} for one in found]


@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_a_thousand_scenarios_agree_with_the_core(number):
    answer = answer_scenario(SCENARIOS[number], CATALOG)
    model = model_of(answer)
    rows = drawn(model.sliders, number)
    found = by_vega(model, rows)
    expected = _estimate(answer, lambda slider: rows[slider.name])
    for name in model.bounds:
        low, high = expected[name].interval(answer.level)
        for end, bound in enumerate((low, expected[name].mid, high)):
            want = np.broadcast_to(bound, ROWS)
            np.testing.assert_allclose(found[f"{name}_{end}"], want, rtol=1e-6, atol=1e-300)


def test_as_authored_the_figure_is_the_answer():
    for scenario in SCENARIOS:
        answer = answer_scenario(scenario, CATALOG)
        model = model_of(answer)
        assert len(model.bounds) >= 3
        for name, authored in model.authored.items():
            assert authored == pytest.approx(float(answer.estimate[name].mid), rel=1e-12)
        for slider in model.sliders:
            assert slider.low <= slider.value <= slider.high


def test_a_traced_number_computes_what_it_writes():
    tape = Tape()
    x = tape.variable("x", 3.0)
    result = np.minimum(np.where(x > 2, x**2 - 1, 0.0), 100.0) / np.float64(4)
    assert float(result) == 2.0
    assert list(tape.needed([result.name]).values()) == [
        "(x > 2.0)",
        "pow(x, 2.0)",
        "(s1 - 1.0)",
        "(s0 ? s2 : 0.0)",
        "min(s3, 100.0)",
        "(s4 / 4.0)",
    ]
    assert (Uncertain(x, {"a": 0.1}) * 2).mid.name in tape.steps


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["scenario", "devices", "parts", "uncertainty"])
def test_every_figure_is_a_picture_with_text(name, dark):
    answer = answer_scenario(SCENARIOS[0], CATALOG)
    wish = Wish(name=name, dark=dark)
    svg = content_of(".svg", wish, answer, CATALOG).decode()
    texts = [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]
    assert any(text and re.search(r"\d", text) for text in texts)
    assert ("#171614" in svg) == dark


@pytest.mark.parametrize("name", ["scenario", "devices", "parts", "uncertainty"])
def test_a_page_names_its_colours_once_and_follows_the_system(name):
    answer = answer_scenario(SCENARIOS[0], CATALOG)
    light, dark = (
        content_of(".html", Wish(name=name, dark=dark), answer, CATALOG).decode()
        for dark in (False, True)
    )
    for page in (light, dark):
        spec = re.search(r"^const spec = (.*);$", page, re.MULTILINE)[1]
        assert "var(--ink)" in spec and not re.search(r"#[0-9A-Fa-f]{6}", spec)
    assert "prefers-color-scheme: dark" in light and "--paper: #171614" in light
    assert "prefers-color-scheme" not in dark and "--paper: #FFFFFF" not in dark


def test_a_caption_says_what_its_figure_shows():
    answer = answer_scenario(SCENARIOS[0], CATALOG)
    shown = {name: caption(name, answer, "1") for name in ("scenario", "parts", "devices")}
    assert [text.partition(" ")[0] for text in shown.values()] == ["Opened", "The", "The"]
    assert ["bars cover 80%" in text for text in shown.values()] == [True, False, True]


def test_rows_with_labels_are_not_repeated_below_but_are_said():
    page = limits_figure.content_of(
        ".html", Wish(name="claims", view=""), Scenario(), CATALOG
    ).decode()
    below = re.search(r"<footer>\s*<p>(.*?)</p>", page)
    spoken = re.search(r'role="img" aria-label="(.*?)"', page)
    assert below and "AlphaGo" not in below[1]
    assert spoken and "AlphaGo" in spoken[1]


def test_the_other_files_hold_the_answer():
    answer = answer_scenario(SCENARIOS[0], CATALOG)
    wish = Wish(name="scenario")
    assert content_of(".png", wish, answer, CATALOG).startswith(b"\x89PNG")
    assert content_of(".pdf", wish, answer, CATALOG).startswith(b"%PDF")
    reported = json.loads(content_of(".json", wish, answer, CATALOG))
    assert reported["data_version"] == CATALOG.data_version
    energy = float(answer.estimate["energy_kwh"].mid)
    assert (
        f"energy_kwh,{reported['results']['energy_kwh']['low']}"
        in content_of(".csv", wish, answer, CATALOG).decode()
    )
    assert reported["results"]["energy_kwh"]["mid"] == energy
    card = content_of(".md", wish, answer, CATALOG).decode()
    grams = float(re.search(r"emissions: (\S+)", card)[1])
    assert grams == pytest.approx(1000 * float(answer.estimate["co2e_kg"].mid), rel=1e-3)
    assert yaml.safe_load(card.strip("-\n"))["co2_eq_emissions"]["training_type"]
    tex = content_of(".tex", wish, answer, CATALOG).decode()
    assert r"\times" in tex and r"80\%" in tex and CATALOG.data_version in tex
    assert b"@software{twenty-watts," in content_of(".bib", wish, answer, CATALOG)


def test_one_file_holds_everything_and_no_text_breaks_out_of_it():
    answer = answer_scenario(SCENARIOS[0], CATALOG)
    model = model_of(answer)
    spec = specification(model, Look())
    page = html.page(
        spec,
        model.sliders,
        Look(),
        html.FigureText(
            title="</script><script>alert(1)",
            caption="caption",
            sources=(("<b>", "https://example.org/?a=1&b=2"),),
        ),
    )
    assert page.count("<script>") == page.count("</script>") == 3
    assert "<b>" not in page
    ours = page.replace(html.library(), "")
    assert not re.search(r'(?:src|href)="(?!https://example\.org)', ours)
    assert "default-src 'none'" in ours


def test_amounts_are_written_in_the_language_of_the_figure():
    asked = Scenario(params=1e12, tokens=1e14, hardware="v100", devices=1e6, site="us")
    model = model_of(answer_scenario(asked, CATALOG))
    with language.spoken("de"):
        svg = vl_convert.vegalite_to_svg({**specification(model, Look()), "width": 900})
    labels = " ".join(re.findall(r">([^<]+)</t", svg))
    assert re.search(r"Kosten: [\d,]+ Mrd\. \$ \(", labels)
    assert re.search(
        r"Laufzeit: [\d,.]+ (Tage|Jahre) \([\d,.]+( Tage)? – [\d,.]+ (Tage|Jahre)\)", labels
    )
    assert not re.search(r"\b(days|years|billion)\b", labels)


@pytest.mark.parametrize(
    ("view", "name", "moved"),
    [("budget", "budget", 3.7e6), ("budget", "budget", 1e3), ("cost", "flop", 5.1e24)],
)
def test_a_slider_of_the_trends_agrees_with_its_page(view, name, moved):
    """What the browser computes is what the page says of that budget or that work."""
    scaled = limits_figure.scaled_by("trends", view, Scenario(), CATALOG)
    drawn_rows = limits_figure.picture_of("trends", view, Scenario(), CATALOG).rows
    spec = limits_figure.moved_by({"params": [], "data": {"values": drawn_rows}}, scaled)
    spec["params"] = [{"name": name, "value": moved}]
    x = {"field": "value", "type": "quantitative", "scale": None}
    spec |= {"mark": "point", "encoding": {"x": x}}
    scene = vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]
    found = [one["x"] for one in marks_of(scene)]
    if view == "budget":
        rows = trends.PICTURES["budget"]({"budget": moved, "preset": "gpt-3"}).rows
        expected = [row["value"] for row in rows]
    else:
        at_first = cost_by_year(scaled.slider.value, CATALOG)
        then = cost_by_year(moved, CATALOG)
        factor = then.values[0] / at_first.values[0]
        assert then.values == pytest.approx(np.asarray(at_first.values) * factor)
        expected = [row["value"] * factor for row in drawn_rows]
    assert found == pytest.approx(expected, rel=1e-6)


def marks_of(scene):
    """Symbols of a scene, in their order."""
    if scene.get("marktype") == "symbol":
        return scene["items"]
    return [one for item in scene.get("items", ()) for one in marks_of(item)]


def test_a_library_that_cannot_be_bundled_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(html, "BUNDLE", "raise SystemExit('first line\\nno such bundle')")
    with pytest.raises(OSError, match=r"^Vega cannot be put into the figure: no such bundle$"):
        html.library.__wrapped__()


def test_a_picture_of_a_page_has_its_title_source_and_date(monkeypatch):
    drawn = trends.compute_picture({})
    said, draw = [], export.image

    def noted(suffix, spec, look, text):
        said.append(text)
        return draw(suffix, spec, look, text)

    monkeypatch.setattr(export, "image", noted)
    file = picture_file("trends", lambda: drawn, "Training compute")
    assert file.name == "trends.png" and file.content().startswith(b"\x89PNG")
    assert said[0].title.startswith("The largest published runs doubled every 5.30 months")
    assert "Epoch AI" in said[0].caption and f"data {CATALOG.data_version}" in said[0].caption
    assert re.search(r"20\d\d-\d\d-\d\d", said[0].caption)


def test_a_hall_shows_no_more_rows_than_keep_their_labels_apart():
    wish = Wish(name="claims", view="factors")
    page, table = (
        limits_figure.content_of(suffix, wish, Scenario(), CATALOG).decode()
        for suffix in (".html", ".csv")
    )
    assert "The first 8 of" in page and table.count("\n") > 15
