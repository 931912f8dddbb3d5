"""Energy from samples: the laws of the integral, and each way in which readings go wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.runs.energy import EnergySummary, summarise
from estimator.runs.meter import Sample

PERIOD_S = 0.1
watts = st.floats(0.5, 2000)
spacings = st.lists(st.floats(0.05, 0.12), min_size=1, max_size=60)


def at_times(lengths_s, start_s=1000.0):
    times = [start_s]
    for length_s in lengths_s:
        times.append(times[-1] + length_s)
    return times


def powers(time_s, power_w):
    return [Sample(time_s=at, power_w=w) for at, w in zip(time_s, power_w, strict=True)]


def reported(samples, duration_s=None, **more) -> EnergySummary:
    if duration_s is None:
        duration_s = samples[-1].time_s - samples[0].time_s
    name = more.pop("name", "nvml power")
    trust = more.pop("trust", "sampled")
    return summarise("gpu:0", name, trust, samples, duration_s=duration_s, **more)


def steady(seconds, power_w=200.0, *, counter=None):
    """Readings at 10 Hz; the counter once a second, as a function of time."""
    samples = []
    for step in range(round(seconds / PERIOD_S) + 1):
        at = step * PERIOD_S
        energy_j = counter(at) if counter and step % 10 == 0 else None
        samples.append(Sample(time_s=at, power_w=power_w, energy_j=energy_j))
    return samples


def says(summary, words):
    return [note for note in summary.notes if words in note]


@given(spacings, watts)
def test_constant_power_gives_power_times_time_though_every_reading_is_the_same(lengths, power_w):
    times = at_times(lengths)
    energy = reported(powers(times, [power_w] * len(times))).energy
    assert energy.energy_j == pytest.approx(power_w * (times[-1] - times[0]), rel=1e-9)
    assert energy.mean_w == pytest.approx(power_w, rel=1e-9)
    assert energy.coverage == pytest.approx(1)


@given(spacings, watts, st.floats(-3, 3))
def test_a_linear_ramp_is_exact_whatever_the_spacing(lengths, power_w, slope):
    times = at_times(lengths, start_s=0.0)
    end = times[-1]
    ramp = [3000 + power_w + slope * at for at in times]
    exact = (3000 + power_w) * end + slope * end**2 / 2
    assert reported(powers(times, ramp)).energy.energy_j == pytest.approx(exact, rel=1e-9)


@given(st.lists(watts, min_size=3, max_size=80), st.data())
def test_the_energy_of_two_windows_is_that_of_both_together(series, data):
    cut = data.draw(st.integers(1, len(series) - 2))
    samples = powers([PERIOD_S * at for at in range(len(series))], series)
    first, second = reported(samples[: cut + 1]).energy, reported(samples[cut:]).energy
    both = reported(samples).energy
    assert first.energy_j + second.energy_j == pytest.approx(both.energy_j, rel=1e-9)
    assert max(first.peak_w, second.peak_w) == both.peak_w


@given(st.lists(st.floats(1, 500), min_size=2, max_size=30), st.data())
def test_the_counter_of_two_windows_is_that_of_both_together(steps, data):
    total, samples = 5e6, []
    for second, step_j in enumerate(steps):
        samples.append(Sample(time_s=float(second), energy_j=total))
        total += step_j
    samples.append(Sample(time_s=float(len(steps)), energy_j=total))
    cut = data.draw(st.integers(1, len(steps) - 1))
    parts = [reported(part).energy.energy_j for part in (samples[: cut + 1], samples[cut:])]
    assert sum(parts) == pytest.approx(reported(samples).energy.energy_j, rel=1e-9)


def test_a_counter_is_used_and_the_integral_kept_beside_it():
    energy = reported(steady(10, counter=lambda at: 1e6 + 202 * at)).energy
    assert (energy.meter, energy.trust) == ("nvml counter", "counter")
    assert energy.energy_j == pytest.approx(2020)
    assert energy.check_j == pytest.approx(2000)
    assert energy.peak_w == 200


def test_a_counter_and_an_integral_within_a_tenth_raise_no_note_and_beyond_it_do():
    near = reported(steady(5, counter=lambda at: 215 * at))
    far = reported(steady(5, counter=lambda at: 230 * at))
    assert not says(near, "integrated power")
    assert says(far, "integrated power is 0.87 times")


def test_a_modelled_figure_stays_modelled_though_it_comes_as_a_counter():
    samples = [Sample(time_s=float(at), energy_j=8.0 * at) for at in range(20)]
    energy = reported(samples, name="codecarbon", trust="modelled").energy
    assert (energy.meter, energy.trust, energy.energy_j) == ("codecarbon", "modelled", 152.0)


@pytest.mark.parametrize("trust", ["sampled", "modelled"])
def test_a_meter_that_adds_up_itself_is_trusted_no_more_for_it(trust):
    samples = [Sample(time_s=float(at), energy_j=8.0 * at) for at in range(20)]
    assert reported(samples, name="codecarbon", trust=trust).energy.trust == trust


def test_a_meter_without_power_has_the_peak_of_its_counter_over_whole_seconds():
    samples = [Sample(time_s=float(at), energy_j=e) for at, e in enumerate([0, 50, 150, 180])]
    samples.append(Sample(time_s=3.001, energy_j=181))
    energy = reported(samples, name="rapl", trust="counter").energy
    assert (energy.peak_w, energy.energy_j, energy.meter) == (100, 181, "rapl")


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], "no reading"),
        ([Sample(time_s=1.0)] * 5, "no reading"),
        ([Sample(time_s=1.0, power_w=80.0)], "one reading only"),
        ([Sample(time_s=1.0, energy_j=80.0), Sample(time_s=2.0)], "one reading only"),
        ([Sample(time_s=1.0, power_w=80.0)] * 2, "no two readings"),
    ],
)
def test_what_cannot_be_integrated_is_no_energy_and_never_zero(samples, words):
    summary = reported(samples, duration_s=10)
    assert summary.energy is None
    assert says(summary, words)


def test_a_power_of_zero_all_the_time_is_not_believed():
    summary = reported(steady(5, power_w=0.0))
    assert summary.energy is None
    assert says(summary, "0 W all the time")


def test_a_gap_is_not_bridged():
    samples = [one for one in steady(20) if not 5 < one.time_s < 12]
    summary = reported(samples)
    assert summary.energy.energy_j == pytest.approx(200 * summary.energy.duration_s)
    assert summary.energy.coverage == pytest.approx(13 / 20, abs=0.01)
    assert says(summary, "1 gaps in the power readings, 7")
    assert says(summary, "cover 65%")


@given(st.floats(0.31, 100))
def test_no_gap_is_counted_as_covered_however_high_the_power_beside_it(gap_s):
    before, after = steady(3), steady(3)
    later = [Sample(time_s=one.time_s + 3 + gap_s, power_w=900.0) for one in after]
    summary = reported([*before, *later])
    assert summary.energy.duration_s == pytest.approx(6)
    assert summary.energy.energy_j == pytest.approx(200 * 3 + 900 * 3)
    assert summary.energy.coverage == pytest.approx(6 / (6 + gap_s))
    assert says(summary, "1 gaps")


def test_a_rate_that_sinks_in_a_long_run_makes_no_gaps():
    times = at_times([0.1] * 600 + [0.1 * 1.004**step for step in range(570)] + [1.0] * 300)
    summary = reported(powers(times, [200.0 + at % 2 for at in range(len(times))]))
    assert summary.energy.coverage == pytest.approx(1)
    assert not summary.notes


@pytest.mark.parametrize("where", [0, 1, 30, 59])
def test_a_gap_is_found_wherever_it_is(where):
    lengths = [0.1] * 60
    lengths[where] = 2.0
    assert says(
        reported(powers(at_times(lengths), [200.0] * 61)), "1 gaps in the power readings, 2 s"
    )


def test_a_counter_covers_a_gap_in_the_power_and_the_check_is_of_what_both_saw():
    samples = [
        one
        for one in steady(20, counter=lambda at: 200 * at)
        if one.energy_j is not None or not 5 < one.time_s < 12
    ]
    lone = [
        Sample(time_s=one.time_s, energy_j=one.energy_j) if 5 < one.time_s < 12 else one
        for one in samples
    ]
    energy = reported(lone).energy
    assert (energy.energy_j, energy.coverage) == (pytest.approx(4000), 1)
    assert energy.check_j == pytest.approx(4000)


def test_two_readings_a_minute_apart_are_said_to_be_few():
    assert says(reported(powers([0.0, 60.0], [100.0, 100.0])), "only 2 power readings in 60 s")


def test_a_late_start_is_not_covered():
    summary = reported(steady(6), duration_s=10)
    assert summary.energy.coverage == pytest.approx(0.6)
    assert says(summary, "cover 60%")


def test_a_counter_that_goes_backwards_loses_that_second_and_no_more():
    summary = reported(steady(10, counter=lambda at: 200 * at + (9000 if at < 5 else 0)))
    assert summary.energy.energy_j == pytest.approx(1800)
    assert summary.energy.duration_s == pytest.approx(9)
    assert summary.energy.check_j == pytest.approx(1800)
    assert says(summary, "went backwards 1 times")


def test_a_counter_that_wraps_unseen_is_never_a_negative_energy():
    wrap = 262.144
    summary = reported(steady(10, counter=lambda at: (200 * at) % wrap))
    assert 0 < summary.energy.energy_j < 2000
    assert says(summary, "went backwards")


def test_a_counter_stuck_from_the_middle_on_is_found_by_the_integral():
    summary = reported(steady(10, counter=lambda at: 200 * min(at, 5)))
    assert says(summary, "integrated power is 2.00 times")


def test_a_stuck_counter_alone_is_no_energy():
    samples = [Sample(time_s=float(at), energy_j=777.0) for at in range(5)]
    assert reported(samples).energy is None


def test_a_power_reading_that_never_changes_for_long_is_said():
    assert says(reported(steady(30)), "did not change for 30 s")
    assert not says(reported(steady(5)), "did not change")


def test_a_clock_that_jumps_back_costs_the_readings_across_and_nothing_else():
    first, second = (
        steady(5),
        [Sample(time_s=one.time_s - 3600, power_w=100.0) for one in steady(5)],
    )
    summary = reported([*first, *second], duration_s=10.1)
    assert summary.energy.energy_j == pytest.approx(1000 + 500)
    assert says(summary, "the clock went back 1 times")


def test_a_clock_that_jumps_back_is_no_false_alarm_on_the_counter():
    both = steady(10, counter=lambda at: 200 * at)
    shaken = [
        Sample(time_s=one.time_s - (3600 if one.time_s > 5 else 0), power_w=200.0, energy_j=e)
        for one in both
        for e in [one.energy_j]
    ]
    summary = reported(shaken, duration_s=10)
    assert summary.energy.energy_j == pytest.approx(1800)
    assert summary.energy.check_j is None
    assert not says(summary, "integrated power")


def test_a_spike_above_one_and_a_half_times_the_limit_is_left_out():
    samples = steady(5)
    samples[20] = Sample(time_s=samples[20].time_s, power_w=4.2e6)
    summary = reported(samples, limit_w=300.0)
    assert summary.energy.energy_j == pytest.approx(1000)
    assert summary.energy.peak_w == 200
    assert says(summary, "1 power readings above 450 W left out, up to 4200000 W")


def test_a_counter_that_leaps_beyond_what_the_limit_allows_is_left_out():
    summary = reported(
        steady(5, counter=lambda at: 200 * at + (1e12 if at > 2 else 0)), limit_w=300.0
    )
    assert summary.energy.energy_j == pytest.approx(800)
    assert says(summary, "leapt")


def test_a_counter_published_in_steps_is_no_leap():
    samples = [Sample(time_s=at, energy_j=e) for at, e in [(0.0, 0.0), (1.0, 300.0), (1.05, 360.0)]]
    assert not says(reported(samples, limit_w=300.0), "leapt")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -5.0])
def test_what_is_no_power_is_left_out(bad):
    samples = steady(2)
    samples[7] = Sample(time_s=samples[7].time_s, power_w=bad)
    summary = reported(samples)
    assert summary.energy.energy_j == pytest.approx(400)
    assert says(summary, "1 power readings that are no power")


def test_the_state_of_the_device_is_the_mean_over_its_samples():
    samples = [
        Sample(time_s=0.0, temperature_c=60.0, clock_hz=1e9, busy=0.5, throttled_by=("heat",)),
        Sample(time_s=1.0, temperature_c=70.0, clock_hz=2e9, busy=1.0, others=0.25),
    ]
    state = reported(samples).condition
    assert (state.temperature_c, state.peak_temperature_c, state.clock_hz) == (65, 70, 1.5e9)
    assert (state.busy, state.throttled, state.reasons) == (0.75, 0.5, ("heat",))
    assert (state.others, state.memory_busy) == (0.25, None)


def test_a_meter_that_tells_no_state_has_none():
    assert reported(steady(1)).condition is None


def test_a_run_of_no_length_is_refused():
    with pytest.raises(ValueError, match="duration_s must be positive"):
        reported(steady(1), duration_s=0.0)


def test_every_note_names_the_component():
    summary = reported(steady(30), duration_s=100)
    assert len(summary.notes) == 2
    assert all(note.startswith("gpu:0: ") for note in summary.notes)
