"""Items that are not written token by token: rows of print, and laws."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.inference.items import answer_item
from estimator.inference.question import Item, ServingQuestion

ML_ENERGY = {
    "FLUX.1-dev": (12e9, 4608, 50, 11.64, 7949),
    "stable-diffusion-3.5-medium": (2.5e9, 4429, 56, 3.53, 1581),
    "Wan2.1-T2V-14B": (14e9, 32760, 100, 466.9, 289253),
    "HunyuanVideo": (13e9, 118800, 50, 1689.0, 1164112),
}
"""Parameters, positions, passes; seconds and joules an item on one H100 (leaderboard v3, xDiT)."""


@pytest.mark.parametrize("name", ML_ENERGY)
def test_images_and_films_on_an_h100_are_within_the_interval_of_95_percent(catalog, name):
    params, positions, passes, seconds, joules = ML_ENERGY[name]
    asked = ServingQuestion(params=params, hardware="h100", precision="bf16")
    found = answer_item(asked, Item(steps=passes, positions=positions), catalog).ranges
    for quantity, measured in (("item_s", seconds), ("device_energy_per_item_j", joules)):
        low, high = found[quantity].interval(0.95)
        assert low[0] < measured < high[0], quantity


@settings(max_examples=10)
@given(st.floats(1.0, 200.0), st.floats(1.1, 4.0))
def test_twice_the_steps_take_twice_as_long(steps, times):
    catalog = Catalog.open()
    asked = ServingQuestion(params=2e9, hardware="h100", precision="bf16")
    few = answer_item(asked, Item(steps=steps, positions=4096), catalog).ranges
    many = answer_item(asked, Item(steps=steps * times, positions=4096), catalog).ranges
    assert many["item_s"].mid[0] == pytest.approx(few["item_s"].mid[0] * times)


def test_only_active_parameters_of_a_mixture_are_multiplied(catalog):
    """A quarter of the parameters, a quarter of the FLOPs of a large batch; all are held."""
    asked = ServingQuestion(params=40e9, hardware="h100", precision="fp8", concurrency=4096)
    sparse = replace(asked, active_params=10e9)
    whole, part = (
        answer_item(one, Item(positions=128), catalog).ranges["item_s"].mid[0]
        for one in (asked, sparse)
    )
    assert part == pytest.approx(whole / 4.0, rel=0.05)


def test_a_large_batch_costs_each_item_its_arithmetic_on_a_busy_device(catalog):
    """Twice as many items take twice as long and draw as much; a lone one waits for weights."""
    lone, large, larger = (
        answer_item(
            ServingQuestion(params=2e9, hardware="h100", precision="bf16", concurrency=batch),
            Item(positions=64),
            catalog,
        ).ranges
        for batch in (1.0, 4096.0, 8192.0)
    )
    assert larger["item_s"].mid[0] == pytest.approx(2.0 * large["item_s"].mid[0], rel=0.01)
    powers = [one["device_power_w"].mid[0] for one in (lone, large, larger)]
    assert 1.1 * powers[0] < powers[1] == pytest.approx(powers[2], rel=0.01)


def test_four_times_the_pixels_take_at_least_four_times_the_work_of_a_large_batch(catalog):
    asked = ServingQuestion(preset="flux-dev", hardware="h100", concurrency=64)
    small, large = (
        answer_item(asked, Item(steps=10, image_size=side), catalog).ranges["item_s"].mid[0]
        for side in (1024.0, 2048.0)
    )
    assert 3.8 * small < large < 16 * small


def test_a_thousand_items_emit_what_their_kilowatt_hours_do(catalog):
    asked = ServingQuestion(params=2e9, hardware="h100", site="fr")
    found = answer_item(asked, Item(positions=64), catalog)
    per_kwh_kg = catalog.place("fr").records["co2e_kg_per_kwh"].value
    kwh = 1000.0 * found.ranges["energy_per_item_j"].mid[0] / 3.6e6
    assert found.ranges["co2e_per_1000_items_kg"].mid[0] == pytest.approx(kwh * per_kwh_kg)


@pytest.mark.parametrize(("batch", "said"), [(None, True), (1.0, False)])
def test_one_item_at_a_time_is_an_assumption_only_if_nothing_is_stated(catalog, batch, said):
    asked = ServingQuestion(params=2e9, hardware="h100", concurrency=batch)
    notes = answer_item(asked, Item(positions=64), catalog).notes
    assert ("concurrency" in {note.field for note in notes}) == said


def test_an_item_of_unknown_size_is_refused(catalog):
    with pytest.raises(ValueError, match="an item needs"):
        answer_item(ServingQuestion(params=1e9, hardware="h100"), Item(), catalog)
