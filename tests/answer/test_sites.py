"""Grids and PUE by year: figures in print, cross-checks, the doubt of another year, one answer."""

import csv
import io
import math
import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator import read_site
from estimator.answer.design_facts import offers_of
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog, Record
from estimator.cli import main
from estimator.question.hardware import find_device_price, find_hardware
from estimator.question.provenance import uncertain_record
from estimator.question.scenario import Scenario, from_link, link
from estimator.question.site import (
    DRIFT_EXPONENT,
    OPERATORS,
    find_site,
    nearest_entry,
    widened,
)
from estimator.show.csv_table import estimate_csv

CATALOG = Catalog.open()
ROOT = Path(__file__).parents[2]
GRID = "co2e_kg_per_kwh"
YEARS = st.integers(1990, 2060)


def ask(**said):
    work = {"device_hours": 1000.0, "hardware": "v100", "devices": 8.0}
    return answer_scenario(Scenario(**work | said), CATALOG)


def reported(**said):
    """Warnings on another year than the run's."""
    return [warning for warning in ask(**said).warnings if "using the nearest, of" in warning]


def series(place):
    return {entry.year: entry.records[GRID].value for entry in CATALOG.history(place)}


@pytest.mark.parametrize(
    ("place", "year", "printed", "tolerance"),
    [
        # Patterson et al. 2021, sec. 2.2 and Table 4: 0.429 kgCO2e/kWh, US average of 2020.
        ("us", 2020, 0.429, 0.05),
        # Strubell et al. 2019, eq. 2: 0.954 lb/kWh, the EPA's US average of the latest year then.
        ("us", 2018, 0.954 * 0.45359, 0.08),
        # EPA eGRID2018: 947 lb CO2/MWh in the United States, burning alone.
        ("us", 2018, 0.947 * 0.45359, 0.08),
    ],
)
def test_the_grid_of_the_time_is_nearer_to_what_was_said_then_than_that_of_today(
    place, year, printed, tolerance
):
    then, now = read_site(place, year), read_site(place)
    assert then.co2e_kg_per_kwh.mid == pytest.approx(printed, rel=tolerance)
    assert abs(then.co2e_kg_per_kwh.mid - printed) < abs(now.co2e_kg_per_kwh.mid - printed)


@pytest.mark.parametrize(
    ("place", "year", "value"),
    [
        # Ember, Carbon intensity of electricity generation, by way of Our World in Data.
        ("us", 2012, 0.53277),
        ("us", 2020, 0.41173),
        ("fr", 2022, 0.07854),
        ("de", 2013, 0.53804),
        ("gb", 2016, 0.33345),
        ("cn", 2019, 0.61963),
        ("world", 2015, 0.53338),
    ],
)
def test_a_run_of_a_year_on_record_takes_the_figure_of_that_year(place, year, value):
    answer = ask(site=place, year=float(year))
    used = answer.inputs[GRID]
    assert (used.value, used.date) == (value, str(year))
    assert float(answer.site.co2e_kg_per_kwh.mid) == value
    assert not reported(site=place, year=float(year))


def test_series_run_on_where_another_data_set_gives_the_years_between():
    # The rows of 2024 span other data sets; a slip of the pen in a series would stand out.
    for place in CATALOG.places("country"):
        known = series(place.id)
        if len(known) < 5:
            continue
        for before, after in pairwise(sorted(known)):
            assert after - before == 1, place.id
            assert abs(math.log(known[after] / known[before])) < 0.6, (place.id, after)


@pytest.mark.parametrize("place", ["ie", "aws-eu-west-1", "azure-northeurope"])
def test_every_figure_of_irelands_grid_covers_the_other_and_says_so(place):
    low, high = read_site(place).co2e_kg_per_kwh.interval(0.8)
    published = [float(entry.records[GRID].value) for entry in CATALOG.history("ie")[-1:]]
    published.append(CATALOG.place("aws-eu-west-1").records[GRID].value)
    assert low <= min(published) < max(published) <= high
    assert "published carbon intensities differ" in " ".join(ask(site=place).warnings)
    assert "published carbon" not in " ".join(ask(site="fr").warnings)


def test_a_year_beyond_the_record_takes_the_nearest_and_says_so():
    assert reported(site="us", year=2005.0) == [
        "United States: no carbon intensity on record for 2005, using the nearest, of 2012"
    ]
    assert ask(site="us", year=2005.0).inputs[GRID].value == series("us")[2012]
    assert "for 2030, using the nearest, of 2025" in reported(site="us", year=2030.0)[0]


def test_without_a_year_the_newest_figure_stands_and_nothing_is_said():
    newest = CATALOG.place("fr")
    assert ask(site="fr").inputs[GRID].date == str(newest.year)
    assert not reported(site="fr")


@given(YEARS)
def test_the_doubt_grows_with_the_years_between_the_figure_and_the_run(year):
    newest = CATALOG.place("af").year
    apart = abs(year - newest)
    there, near, far = (
        float(find_site("af", CATALOG, year=newest + times * apart).value.co2e_kg_per_kwh.log_sd)
        for times in (0, 1, 2)
    )
    assert (there < near < far) if apart else (there == near == far)


def test_the_drift_holds_eight_in_ten_of_the_changes_on_record():
    one_year = float(uncertain_record(CATALOG.prior("site.grid_drift"), "").log_sd)
    known = [series(place.id) for place in CATALOG.places("country")]
    for apart in (1, 2, 4, 7, 10):
        changes = [
            abs(math.log(values[year + apart] / values[year]))
            for values in known
            for year in values
            if year + apart in values and len(values) > 5
        ]
        bound = 1.2816 * one_year * apart**DRIFT_EXPONENT
        assert 0.74 <= np.mean(np.array(changes) <= bound) <= 0.88, apart


def test_of_two_years_as_near_the_newer_is_taken():
    history = [entry for entry in CATALOG.history("google") if entry.year in (2011, 2013)]
    assert nearest_entry(history, "pue", 2012).year == 2013
    assert nearest_entry([], "pue", 2012) is None
    assert nearest_entry(history, GRID, 2012) is None


def test_a_number_without_a_year_stands_for_every_year():
    assert ask(site="my-room", year=2012.0).inputs["pue"].value == 1.0
    assert not [line for line in reported(site="my-room", year=2012.0) if line.startswith("PUE")]


@pytest.mark.parametrize(
    ("year", "pue"), [(2008, 1.19), (2010, 1.16), (2011, 1.14), (2021, 1.1), (2024, 1.09)]
)
def test_an_operator_has_the_pue_it_reported_for_the_year(year, pue):
    answer = ask(site="google", year=float(year))
    assert answer.inputs["pue"].value == pue
    assert answer.inputs["pue"].date == str(year)


def test_a_pue_of_another_year_is_said_and_doubted():
    lines = reported(site="us-east-1", year=2019.0)
    what = [line.partition(": ")[2].partition(" on ")[0] for line in lines]
    assert what == ["no PUE", "no carbon intensity"]
    used = ask(site="us-east-1", year=2019.0).inputs["pue"]
    assert used.low < used.value < used.high


def test_an_unknown_place_takes_the_world_of_the_time():
    then, now = ask(year=2013.0), ask()
    assert then.inputs[GRID].value == series("world")[2013]
    assert "assuming the world average, 0.548 kgCO2e/kWh" in " ".join(then.warnings)
    prior = CATALOG.prior("site.co2e_kg_per_kwh")
    assert now.inputs[GRID].value == prior.value
    assert prior.value == pytest.approx(ask(site="world").inputs[GRID].value, rel=1e-3)
    width = then.inputs[GRID].high / then.inputs[GRID].low
    assert width == pytest.approx(prior.high / prior.low)


def test_a_preset_on_its_own_hardware_ran_in_its_year_wherever_it_is_put():
    # OPT-175B is of 2022; its own place is not asked for.
    preset = CATALOG.preset("opt-175b")
    answer = answer_scenario(Scenario(preset=preset.id, site="us"), CATALOG)
    assert answer.inputs[GRID].date == str(preset.year)
    moved = answer_scenario(Scenario(preset=preset.id, site="us", hardware="h100"), CATALOG)
    assert moved.inputs[GRID].date == str(CATALOG.place("us").year)


@given(st.floats(0.01, 1.0), st.floats(1.01, 3.0), st.floats(0.0, 1.0))
def test_independent_doubts_add_in_quadrature(value, factor, doubt):
    record = Record(
        value=value, unit="1", basis="derived", source="x", low=value / factor, high=value * factor
    )
    own = uncertain_record(record, "d").log_sd
    assert uncertain_record(widened(record, [doubt]), "d").log_sd == pytest.approx(
        math.hypot(own, doubt)
    )


def test_a_table_and_a_scenario_give_the_same_number():
    rows = [("us", "2013"), ("us", "2020"), ("us", ""), ("us-east-1", "2019"), ("", "2015")]
    rows += [("google", "2011"), ("France (Jean Zay)", "2022"), ("af", "2016")]
    header = ("accelerator", "accelerator_hours", "accelerator_count", "region", "year")
    lines = [",".join(header), *(f"v100,1000,8,{region},{year}" for region, year in rows)]
    out = io.StringIO()
    estimate_csv(iter(f"{line}\n" for line in lines), out, CATALOG, level=0.8)
    found = list(csv.DictReader(io.StringIO(out.getvalue())))
    for (region, year), row in zip(rows, found, strict=True):
        site = {"France (Jean Zay)": "jean-zay"}.get(region, region or None)
        answer = ask(site=site, year=float(year) if year else None)
        for name in ("energy_kwh", "co2e_kg", "cost_usd"):
            low, high = answer.estimate[name].interval(0.8)
            mid = float(answer.estimate[name].mid)
            assert float(row[f"{name}_mid"]) == pytest.approx(mid, rel=1e-6), (region, year)
            assert float(row[f"{name}_low"]) == pytest.approx(float(low), rel=1e-6)
            assert float(row[f"{name}_high"]) == pytest.approx(float(high), rel=1e-6)
        for line in reported(site=site, year=float(year) if year else None):
            assert line in row["warnings"]


def test_the_note_on_a_year_stands_only_on_the_rows_that_it_is_about():
    lines = ["accelerator,accelerator_hours,region,year,pue,grid_kg_per_kwh"]
    lines += ["v100,1,us-east-1,2019,,", "v100,1,us-east-1,2024,,", "v100,1,us-east-1,2019,1.1,0.4"]
    out = io.StringIO()
    estimate_csv(iter(f"{line}\n" for line in lines), out, CATALOG, level=0.8)
    notes = [row["warnings"] for row in csv.DictReader(io.StringIO(out.getvalue()))]
    assert [note.count("using the nearest, of") for note in notes] == [2, 0, 0]


def test_the_command_and_the_link_carry_the_year(capsys):
    asked = ["--device-hours", "1", "--hardware", "v100", "--site", "us", "--year", "2020"]
    assert main(["estimate", *asked, "--json"]) == 0
    assert '"year": 2020' in capsys.readouterr().out
    scenario = Scenario(device_hours=1.0, hardware="v100", year=2020.0)
    assert from_link(dict(part.split("=") for part in link(scenario)[1:].split("&")))[0] == scenario


def test_a_year_that_cannot_be_is_refused_in_one_line(capsys):
    with pytest.raises(ValueError, match=r"^year must be at least 1950, got 20"):
        ask(site="us", year=20.0)
    assert main(["estimate", "--device-hours", "1", "--hardware", "v100", "--year", "soon"]) == 1
    assert "year is not a number: 'soon'" in capsys.readouterr().err


def test_places_of_ones_own_stand_for_every_year(tmp_path):
    folder = tmp_path / "sites"
    folder.mkdir()
    (folder / "countries.csv").write_text(
        "iso2,iso3,country,aliases,year,co2e_kg_per_kwh,low,high,basis,source,note\n"
        "US,USA,United States,,,0.1,,,assumed,twenty-watts-assumption,\n"
    )
    mine = Catalog.open(tmp_path)
    asked = Scenario(device_hours=1.0, hardware="v100", site="us", year=2015.0)
    assert answer_scenario(asked, mine).inputs[GRID].value == 0.1


def test_a_cloud_region_without_a_pue_takes_that_of_its_operator():
    without = [
        place
        for place in CATALOG.places("cloud-region")
        if "pue" not in place.records and place.id.startswith(("aws-", "gcp-", "azure-"))
    ]
    assert len(without) > 40
    answer = ask(site=without[0].id)
    assert f"{without[0].name}: PUE unknown, assuming the fleet-wide PUE of AWS" in answer.warnings
    used = answer.inputs["pue"]
    assert used.value == CATALOG.place("aws").records["pue"].value
    assert used.low < used.value < used.high
    assert (
        "no PUE on record for 2016, using the nearest, of 2019"
        in reported(site=without[0].id, year=2016.0)[0]
    )
    assert ask(site=without[0].id, pue=1.3).inputs["pue"].value == 1.3


def test_the_doubt_of_a_region_holds_eight_in_ten_regions_that_tell_both():
    spread = CATALOG.prior("site.pue_region")
    ratios = [
        place.records["pue"].value / CATALOG.history(OPERATORS[vendor])[-1].records["pue"].value
        for place in CATALOG.places("cloud-region")
        if (vendor := place.id.partition("-")[0]) != "oci" and "pue" in place.records
    ]
    assert len(ratios) == 47
    assert 0.7 <= np.mean([spread.low <= ratio <= spread.high for ratio in ratios]) <= 0.9


def test_making_a_device_is_in_doubt_as_far_as_its_sources_differ():
    # NVIDIA 164 kg and BoaviztAPI 575.1 kg of one H100; one study alone of a TPU v5p.
    assert embodied("h100") == (164.0, 164.0, 575.1)
    value, low, high = embodied("tpu-v5p")
    assert (value, low, high) == (1101.0, 1101.0, pytest.approx(3.5 * 1101.0))
    for device in CATALOG.devices():
        if "embodied_co2e_kg" in device.records and device.peaks:
            value, low, high = embodied(device.id)
            assert low <= value < high, device.id


def embodied(name):
    device = CATALOG.device(name)
    used = find_hardware(device, next(iter(device.peaks)), CATALOG).inputs["embodied_co2e_kg"]
    return used.value, used.low, used.high


def test_rents_far_from_the_year_of_the_run_are_said():
    far = "the rents on record for NVIDIA Tesla V100 SXM2 16GB are 5 years off 2017"
    assert far in ask(site="us", year=2017.0).warnings
    assert far not in ask(site="us", year=2017.0, price=1.0).warnings
    for year in (2024.0, None):
        assert "the rents on record" not in " ".join(ask(site="us", year=year).warnings)
    then, now = (ask(site="us", year=year).inputs["price_usd_per_h"] for year in (2017.0, None))
    assert then.date <= now.date
    assert then.note != now.note, "other offers"


CLOUDS = {"us-east-1": "AWS", "gcp us-central1": "GCP", "westeurope": "Azure", "google": "GCP"}


@pytest.mark.parametrize("site", CLOUDS)
def test_a_cloud_region_takes_the_newest_offers_of_its_own_provider(site):
    with (ROOT / "profiles" / "prices.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == "h100-sxm"]
    own = [row for row in rows if (row["provider"], row["kind"]) == (CLOUDS[site], "on-demand")]
    newest = [float(row["price_usd_per_h"]) for row in own if row["date_to"].startswith("2026")]
    answer = ask(hardware="h100", flop=1e20, site=site)
    assert answer.inputs["price_usd_per_h"].value == statistics.median(newest)
    offers = offers_of(answer, CATALOG)
    assert offers is not None and offers.count == len(newest)
    assert not says_elsewhere(answer)


def says_elsewhere(answer):
    return any(one.code == "rents_elsewhere" for one in answer.notices)


def test_a_region_whose_provider_has_no_such_device_takes_all_offers_and_says_so():
    said = {"hardware": "mi300x", "flop": 1e20}
    anywhere, here = ask(**said), ask(**said, site="us-east-1")
    assert here.inputs["price_usd_per_h"] == anywhere.inputs["price_usd_per_h"]
    assert says_elsewhere(here) and not says_elsewhere(anywhere)
    assert not says_elsewhere(ask(**said, site="us-east-1", price=2.0))


def test_serving_in_a_cloud_region_takes_the_offers_of_its_provider():
    def price(device, region):
        return find_device_price(
            CATALOG.device(device), CATALOG, paid=None, many=False, site=region
        )

    assert price("h100", "us-east-1").value.mid == 6.88
    assert price("h100", "westeurope").value.mid == 12.29
    said = price("mi300x", "us-east-1").notices
    assert [one.code for one in said] == ["rents_elsewhere", "few_offers"]
    assert {one.field for one in said} == {"price"}


def test_a_price_of_few_offers_is_less_sure_and_says_so():
    def spread(**said):
        item = ask(**said).inputs["price_usd_per_h"]
        lines = [line for line in ask(**said).warnings if "rests on" in line]
        return item.high / item.low, lines

    one, said = spread(hardware="mi355x")
    assert one == pytest.approx(2.5 / 0.4)
    assert said == [
        "the price of AMD Instinct MI355X 288GB rests on 1 offer, so its interval is wider"
    ]
    assert "3 offers" in spread(hardware="gb200")[1][0]
    assert not spread(hardware="l4")[1]
    at_home, unsaid = spread(hardware="tpu-v4", site="gcp-us-central1")
    assert at_home < one and not unsaid
    assert spread(hardware="tpu-v4", site="fr")[1]
