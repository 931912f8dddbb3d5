"""One scenario by four routes, the page, the command, a table and an offline figure: one answer.

300 scenarios drawn by hypothesis go through the command line, one table each 25 and the formulas
of the offline figure as Vega evaluates them; 24 of them open on the page.
"""

import contextlib
import csv
import io
import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.cli import main
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario, column_of, link
from estimator.show.csv_table import estimate_csv
from estimator.show.quantities import amount as as_text
from estimator.web.offline.scenario_figure import model_of
from tests.web.test_estimate_page import HEADLINES, figure, opened
from tests.web.test_offline_figure import all_by_vega

CATALOG = Catalog.open()
ROUNDS, EACH = 12, 25
ON_THE_PAGE = 24
COMPARED = ("device_hours", "wall_hours", "energy_kwh", "cost_usd", "co2e_kg")
ENDS = ("low", "mid", "high")

DEVICES = ("v100", "a100-sxm-80", "h100", "b200", "mi300x", "tpu-v4", "rtx-4090", "l4", "gaudi2")
OPTIONAL = {
    "site": st.sampled_from(("us", "fr", "de", "se", "in", "pl")),
    "pue": st.floats(1.0, 2.0).map(lambda value: float(f"{value:.3g}")),
    "price": st.floats(0.1, 20.0).map(lambda value: float(f"{value:.3g}")),
    "utilization": st.floats(0.05, 0.7).map(lambda value: float(f"{value:.3g}")),
    "carbon_intensity": st.floats(0.01, 1.0).map(lambda value: float(f"{value:.3g}")),
}


def numbers(low: int, high: int) -> st.SearchStrategy[float]:
    """Numbers of three digits between two powers of ten."""
    return st.builds(
        lambda digits, power: float(f"{digits}e{power - 2}"),
        st.integers(100, 999),
        st.integers(low, high),
    )


WORKS = st.one_of(
    st.fixed_dictionaries({"preset": st.sampled_from(("gpt-3", "llama-2-7b", "bert-large"))}),
    st.fixed_dictionaries({"params": numbers(8, 11), "tokens": numbers(9, 12)}),
    st.fixed_dictionaries({"flop": numbers(18, 24)}),
    st.fixed_dictionaries({"device_hours": numbers(1, 6)}),
)


COUNTS = st.integers(0, 12).map(lambda power: float(2**power))
HARDWARE = st.sampled_from(DEVICES)
EITHER = st.booleans()


@st.composite
def scenarios(draw):
    """Work of one kind on some devices, and some of the further inputs."""
    said_of = {name: draw(what) for name, what in OPTIONAL.items() if draw(EITHER)}
    devices = draw(COUNTS)
    return Scenario(**draw(WORKS), hardware=draw(HARDWARE), devices=devices, **said_of)


def by_command(scenario):
    """Results of the command, or None with its one line of refusal."""
    words = ["estimate", "--json", "--quiet"]
    for name, value in scenario.specified_inputs().items():
        words += [option_of(name), value if isinstance(value, str) else repr(value)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    if code:
        assert err.getvalue().count("\n") == 1
        return None
    return json.loads(out.getvalue())["results"]


def by_table(drawn):
    """Rows of one table that holds all scenarios."""
    fields = sorted({name for scenario in drawn for name in scenario.specified_inputs()})
    text, out = io.StringIO(), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column_of(name) for name in fields])
    for scenario in drawn:
        values = scenario.specified_inputs()
        cells = [values.get(name, "") for name in fields]
        writer.writerow([cell if isinstance(cell, str) else repr(cell) for cell in cells])
    estimate_csv(iter(text.getvalue().splitlines(keepends=True)), out, CATALOG, level=0.8)
    out.seek(0)
    return list(csv.DictReader(out))


def by_figures(drawn):
    """What the formulas of the offline figures give where their sliders stand, in Vega's hands.

    For each scenario quantity -> low, mid, high; empty where the scenario is refused.
    """
    models = {}
    for number, scenario in enumerate(drawn):
        with contextlib.suppress(ValueError):
            models[number] = model_of(answer_scenario(scenario, CATALOG))
    figures = [
        (model, {slider.name: [slider.value] for slider in model.sliders})
        for model in models.values()
    ]
    found = [{} for _ in drawn]
    for (number, model), values in zip(models.items(), all_by_vega(figures), strict=True):
        for name in model.bounds:
            found[number][name] = [float(values[f"{name}_{end}"][0]) for end in range(3)]
    return found


SEEN = Counter()


@seed(20)
@settings(max_examples=ROUNDS, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(scenarios(), min_size=EACH, max_size=EACH))
def test_scenarios_are_answered_alike_by_command_table_and_figure(drawn):
    for scenario, row, pictured in zip(drawn, by_table(drawn), by_figures(drawn), strict=True):
        reported = by_command(scenario)
        assert (reported is None) == bool(row["error"]), (scenario, row["error"])
        SEEN["refused" if reported is None else "answered"] += 1
        if reported is None:
            continue
        for name in COMPARED:
            assert (name in reported) == bool(row[f"{name}_mid"]), (scenario, name)
            if name not in reported:
                continue
            ends = [reported[name][end] for end in ENDS]
            assert [float(row[f"{name}_{end}"]) for end in ENDS] == pytest.approx(ends, rel=1e-5)
            if name in pictured:
                SEEN["pictured"] += 1
                assert pictured[name] == pytest.approx(ends, rel=1e-6)


def test_the_sample_was_as_large_as_it_says_and_mostly_answered():
    if not SEEN:
        pytest.skip("the sample was not drawn in this run")
    assert SEEN["answered"] + SEEN["refused"] >= ROUNDS * EACH
    assert SEEN["answered"] >= 0.9 * ROUNDS * EACH
    assert SEEN["pictured"] >= 3 * SEEN["answered"]


@seed(20)
@settings(max_examples=ON_THE_PAGE, suppress_health_check=list(HealthCheck), database=None)
@given(scenarios())
def test_the_page_shows_what_the_command_answers(scenario):
    reported = by_command(scenario)
    if reported is None:
        return
    page = opened(link(scenario))
    for name in HEADLINES:
        if name in reported:
            assert as_text(name, reported[name]["mid"]) in figure(page, name), (
                scenario,
                name,
            )
