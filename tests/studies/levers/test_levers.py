"""Levers on a case: what one removed the next cannot, and where the hardware gains nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.inference.formats import FORMATS
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.question.scenario import Scenario
from estimator.studies.levers.case import case_of
from estimator.studies.levers.comparison import application_flop, compared, evidence
from estimator.studies.levers.inference import Load
from estimator.studies.levers.levers import LEVERS, gains_nothing, pulled

CATALOG = Catalog.open()
ALONE = case_of("llama-2-7b", "h100", Load(batch=1, context=1024), CATALOG)
MANY = case_of("llama-2-7b", "h100", Load(batch=4096, context=1), CATALOG)
V100 = case_of("llama-2-7b", "v100", Load(batch=1, context=1024), CATALOG)


def test_a_preset_brings_its_size_and_cache():
    assert ALONE.network.params == pytest.approx(6.74e9, rel=0.01)
    assert ALONE.network.cache_bytes(1) == pytest.approx(524288)
    assert ALONE.skips_2_4 and not V100.skips_2_4


@pytest.mark.parametrize("lever", LEVERS.values(), ids=LEVERS)
def test_a_lever_at_its_full_setting_changes_nothing(lever):
    if lever.id != "pattern":
        assert pulled(ALONE, {lever.id: lever.most}).step() == ALONE.step()


settings = st.fixed_dictionaries(
    {},
    optional={
        "weights": st.sampled_from([2.0, 4.0, 8.0, 16.0]),
        "cache": st.sampled_from([2.0, 4.0, 8.0, 16.0]),
        "channels": st.floats(0.1, 1.0),
        "student": st.floats(0.1, 1.0),
        "low-rank": st.floats(0.1, 1.0),
        "exit": st.floats(0.2, 1.0),
    },
)


@given(chosen=settings)
def test_levers_together_save_no_more_than_the_sum_of_each(chosen):
    whole = float(ALONE.needed_bytes())
    each = [float(pulled(ALONE, {one: setting}).needed_bytes()) for one, setting in chosen.items()]
    together = float(pulled(ALONE, chosen).needed_bytes())
    assert whole - together <= sum(whole - alone for alone in each) + 1e-3
    assert together <= min([whole, *each]) * (1 + 1e-12)


@given(chosen=settings)
def test_the_order_of_levers_does_not_matter(chosen):
    backwards = dict(reversed(chosen.items()))
    assert pulled(ALONE, chosen) == pulled(ALONE, backwards)


def test_random_zeros_gain_nothing_and_it_is_said():
    after = pulled(ALONE, {"zeros": 0.1})
    assert after.step() == ALONE.step() and after.needed_bytes() == ALONE.needed_bytes()
    assert "Zeros in no pattern" in str(gains_nothing(ALONE, {"zeros": 0.1})[0])


def test_narrow_weights_gain_no_time_in_a_large_batch_and_it_is_said():
    assert pulled(MANY, {"weights": 4.0}).step().time_s == MANY.step().time_s
    said = " ".join(map(str, gains_nothing(MANY, {"weights": 4.0})))
    assert "bound by the compute" in said and "widened to bf16" in said
    assert "bound by the compute" not in " ".join(map(str, gains_nothing(ALONE, {"weights": 4.0})))


def test_narrow_products_gain_time_where_the_device_has_a_format_for_them():
    both = {"weights": 8.0, "activations": 8.0}
    assert pulled(MANY, both).step().compute_s == pytest.approx(MANY.step().compute_s / 2, rel=0.01)
    old = pulled(V100, both)
    assert old.product_format() == V100.product_format()
    assert any("no faster format" in str(one) for one in gains_nothing(V100, both))


def test_two_of_four_gains_on_ampere_and_not_before():
    assert pulled(MANY, {"pattern": 0.5}).step().compute_s < MANY.step().compute_s
    assert any("does not skip" in str(one) for one in gains_nothing(V100, {"pattern": 0.5}))


def test_experts_take_memory_and_save_none():
    after = pulled(ALONE, {"experts": 0.25})
    assert after.network.weight_bytes() == 4 * ALONE.network.weight_bytes()
    assert after.network.flop_per_token() == ALONE.network.flop_per_token()


def test_a_comparison_brings_energy_cost_evidence_and_break_even():
    scenario = Scenario(hardware="h100", site="us")
    found = compared(ALONE, {"weights": 4.0}, scenario, CATALOG)
    ratio = found.before.per_million["energy_kwh"].mid / found.after.per_million["energy_kwh"].mid
    assert ratio == pytest.approx(found.after.tokens_per_s / found.before.tokens_per_s, rel=0.1)
    assert found.after.memory_bytes < found.before.memory_bytes and found.after.fits
    assert found.evidence[0].lost is not None and len(found.evidence[0].results) > 20
    assert 0 < found.break_even_tokens["cost_usd"] < float("inf")
    assert any("Measured" in str(one) for one in found.nothing_gained)


def test_narrow_weights_save_what_the_page_inference_answers():
    """The roofline alone promised 0.28 of the energy where inference answers about a half."""
    found = compared(ALONE, {"weights": 4.0}, Scenario(hardware="h100"), CATALOG)
    saved = found.after.per_million["energy_kwh"].mid / found.before.per_million["energy_kwh"].mid
    served = answer_serving(
        [
            ServingQuestion(
                preset=ALONE.preset,
                hardware=ALONE.hardware,
                precision=name,
                concurrency=float(ALONE.load.batch),
                input_tokens=float(ALONE.load.context) - 128,
                output_tokens=256.0,
            )
            for name in ("bf16", "int4")
        ],
        CATALOG,
    ).ranges["energy_per_output_token_j"]
    assert found.after.served and 0.4 < saved < 0.7
    assert saved == pytest.approx(float(served.mid[1] / served.mid[0]))


def test_fewer_bits_never_slow_a_single_sequence_down():
    speeds = [
        compared(ALONE, {"weights": bits}, Scenario(hardware="h100"), CATALOG).after.tokens_per_s
        for bits in (2.0, 4.0, 5.0, 6.0, 8.0, 12.0)
    ]
    assert speeds == sorted(speeds, reverse=True)


def test_weights_in_4_bits_take_the_memory_that_inference_reports():
    found = compared(ALONE, {"weights": 4.0}, Scenario(hardware="h100"), CATALOG)
    saved = ALONE.network.params * (16.0 - FORMATS["int4"].bits) / 8.0
    assert found.before.memory_bytes - found.after.memory_bytes == pytest.approx(saved)


def test_what_saves_nothing_is_never_repaid():
    found = compared(ALONE, {"zeros": 0.5}, Scenario(hardware="h100"), CATALOG)
    assert found.break_even_tokens["energy_kwh"] == float("inf")
    assert found.application_flop == pytest.approx(6 * ALONE.network.params * 1e9)


def test_a_distillation_pays_for_the_teacher_too():
    flop = application_flop(ALONE, {"student": 0.5}, 1e9)
    assert flop == pytest.approx((6 * 0.5 + 2) * ALONE.network.params * 1e9)


def test_evidence_is_absent_where_nothing_was_published():
    assert evidence("zeros", 0.25, CATALOG).lost is None
    assert evidence("weights", 4.0, CATALOG).lost is not None


@pytest.mark.parametrize("bad", [{"weights": 0.0}, {"channels": 1.5}, {"magic": 1.0}])
def test_a_bad_setting_is_refused(bad):
    with pytest.raises(ValueError, match=r"must be in|no lever"):
        pulled(ALONE, bad)
