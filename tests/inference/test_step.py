"""Laws of a serving step: what must hold whatever the parameters are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.inference.batching import static_pace, steady_pace
from estimator.inference.performance import Setup, Traffic, performance
from estimator.inference.power import Draw, board_power_w
from estimator.inference.served_model import from_config
from estimator.inference.step import (
    Engine,
    Layout,
    Machine,
    Served,
    busiest,
    decode_costs,
    prefill_times,
    visited_share,
)

MODEL = Served(
    dense_params=7e9, layers=32.0, hidden=4096.0, cache_values=65536.0, pair_flop=524288.0
)
MIXTURE = replace(
    MODEL, dense_params=1.2e9, routed_params=29e9, experts=128.0, experts_per_token=8.0
)
MACHINE = Machine(
    peak_flop_per_s=989e12,
    pair_flop_per_s=989e12,
    bytes_per_s=3.35e12,
    memory_bytes=80e9,
    link_bytes_per_s=900e9,
    tdp_w=700.0,
    idle_w=70.0,
    linked_devices=8.0,
)
ENGINE = Engine(
    read_share=0.9,
    cache_share=0.6,
    expert_share=0.8,
    ceiling_bytes_per_s=2e13,
    matrix_share=0.7,
    half_rows=32.0,
    layer_s=5e-5,
    step_s=3e-4,
    sequence_s=2e-5,
    collective_s=8e-6,
    link_share=0.6,
)
ONE = Layout()
DRAW = Draw(awake=0.5, reading=0.3, computing=1.5)


def set_up(**changed):
    """A set-up of one device, but for what is changed."""
    usual = {"model": MODEL, "machine": MACHINE, "engine": ENGINE, "layout": ONE, "draw": DRAW}
    return Setup(**usual | changed)


def load(flying, read, written):
    return Traffic(sequences=flying, input_tokens=read, output_tokens=written)


def test_a_board_that_waits_for_launches_draws_little_more_than_at_rest():
    draw = replace(DRAW, between=0.1)
    at_rest = {"memory_rate": 0.0, "arithmetic_rate": 0.0}
    power_w = [
        board_power_w(700.0, 70.0, draw.over_time(one), **at_rest) for one in (0.0, 0.5, 2.0)
    ]
    awake_w = board_power_w(700.0, 70.0, DRAW.over_time(0.5), **at_rest)
    assert power_w[0] == pytest.approx(awake_w)
    assert power_w == sorted(power_w, reverse=True)
    assert power_w[2] == pytest.approx(70.0 + 0.1 * 630.0, rel=1e-3)


sequences = st.floats(1.0, 2048.0)
context = st.floats(1.0, 32768.0)
models = st.sampled_from((MODEL, MIXTURE))


def decode_step(model, machine, engine, flying, tokens, layout=ONE):
    """Time of a step that writes one token of each sequence in flight."""
    return decode_costs(model, machine, engine, layout, tokens).at(flying)


@given(models, sequences, context, st.sampled_from((1.0, 2.0, 4.0)))
def test_twice_the_devices_are_never_slower_but_for_communication(model, flying, tokens, devices):
    free = replace(ENGINE, collective_s=0.0)
    links = replace(MACHINE, link_bytes_per_s=1e30)
    times = [
        decode_step(model, links, free, flying, tokens, Layout(devices=n, expert_shard=n)).total_s
        for n in (devices, 2.0 * devices)
    ]
    assert times[1] <= times[0] * (1.0 + 1e-9)


@given(models, sequences, context)
def test_four_bit_weights_never_take_longer_to_read(model, flying, tokens):
    packed = replace(ONE, dense_bytes=0.53, expert_bytes=0.53)
    assert (
        decode_step(model, MACHINE, ENGINE, flying, tokens, packed).read_s
        < decode_step(model, MACHINE, ENGINE, flying, tokens).read_s
    )


@given(models, st.floats(1.0, 1000.0), st.floats(1.01, 4.0))
def test_energy_per_token_falls_with_the_batch_while_reading_bounds_the_step(model, few, times):
    setup = set_up(
        model=replace(model, cache_values=0.0, pair_flop=0.0),
        machine=replace(MACHINE, peak_flop_per_s=1e30, pair_flop_per_s=1e30),
        engine=replace(ENGINE, sequence_s=0.0),
    )
    alone, shared = (
        performance(setup, load(flying, 1.0, 1e6)).device_energy_per_output_token_j
        for flying in (few, few * times)
    )
    assert shared < alone * (1.0 + 1e-9)


@given(models, sequences, st.floats(1.0, 4096.0), st.floats(1.0, 2048.0))
def test_twice_the_devices_are_never_slower_per_request_at_a_fixed_batch(
    model, flying, read, written
):
    """A whole request, its input read and its answer written, where links cost nothing."""
    free = replace(ENGINE, collective_s=0.0)
    machine = replace(MACHINE, link_bytes_per_s=1e30)
    times = []
    for devices in (1.0, 2.0, 4.0):
        layout = Layout(devices=devices, expert_shard=devices)
        setup = set_up(model=model, machine=machine, engine=free, layout=layout)
        pace = performance(setup, load(flying, read, written)).pace
        times.append(pace.time_to_first_token_s + (written - 1.0) * pace.inter_token_s)
    assert times[1] <= times[0] * (1.0 + 1e-9)
    assert times[2] <= times[1] * (1.0 + 1e-9)


layouts = st.sampled_from(
    (
        ONE,
        Layout(devices=8.0, expert_shard=8.0),
        Layout(devices=8.0, data_parallel=4.0, expert_shard=2.0),
        Layout(devices=8.0, data_parallel=8.0, expert_shard=8.0),
        Layout(devices=4.0, stages=4.0),
    )
)


@given(models, layouts, st.booleans(), sequences, context, st.floats(1.0, 2048.0), st.data())
def test_more_sequences_or_longer_prompts_never_shorten_the_time_per_token(
    model, layout, ahead, flying, read, written, data
):
    """And more sequences never write fewer tokens per second; layouts as given, memory for all."""
    more = data.draw(st.floats(1.0, 8.0))
    setup = set_up(
        model=replace(model, window_values=4096.0, window=1024.0),
        machine=replace(MACHINE, memory_bytes=1e18),
        engine=replace(ENGINE, launches_ahead=ahead, tile_rows=139.0, pass_tokens=512.0),
        layout=layout,
        static_batches=ahead,
    )
    base, crowded, longer = (
        performance(setup, load(*traffic, written))
        for traffic in ((flying, read), (flying * more, read), (flying, read * more))
    )
    least = 1.0 - 1e-9
    for other in (crowded, longer):
        assert other.pace.inter_token_s >= base.pace.inter_token_s * least
        assert other.pace.time_to_first_token_s >= base.pace.time_to_first_token_s * least
    assert crowded.output_tokens_per_s >= base.output_tokens_per_s * least


SERVING = replace(
    ENGINE,
    tile_rows=139.0,
    request_s=0.03,
    queue_s=5e-4,
    waiting_steps=3.6,
    wave_share=0.06,
)
"""An engine with a wait for the first token."""


def first_token_under(model, layout, flying, read, written, engine=SERVING, machine=MACHINE):
    """Pace of an engine whose memory holds a part of what is in flight."""
    setup = set_up(model=model, machine=machine, engine=engine, layout=layout)
    return performance(setup, load(flying, read, written)).pace


@given(models, layouts, sequences, context, st.floats(1.0, 2048.0), st.floats(1.0, 8.0))
def test_longer_prompts_never_shorten_the_first_token_of_a_full_server(
    model, layout, flying, read, written, more
):
    short, long = (
        first_token_under(model, layout, flying, tokens, written).time_to_first_token_s
        for tokens in (read, read * more)
    )
    assert long >= short * (1.0 - 1e-9)


@given(models, sequences, context, st.floats(1.0, 2048.0), st.sampled_from((1.0, 2.0, 4.0)))
def test_more_replicas_never_slow_the_first_token(model, flying, read, written, devices):
    """Each replica holds the whole model, so that nothing is exchanged."""
    few, many = (
        first_token_under(model, Layout(devices=n, data_parallel=n), flying, read, written)
        for n in (devices, 2.0 * devices)
    )
    assert many.time_to_first_token_s <= few.time_to_first_token_s * (1.0 + 1e-9)


@given(models, layouts, sequences, context, st.floats(1.0, 2048.0))
def test_quantiles_of_latency_are_in_order(model, layout, flying, read, written):
    pace = first_token_under(model, layout, flying, read, written)
    first = [pace.first_token_s(quantile) for quantile in (0.5, 0.9, 0.99)]
    whole = [pace.request_s(written, quantile) for quantile in (0.5, 0.9, 0.99)]
    assert first[0] == pytest.approx(pace.time_to_first_token_s)
    assert first == sorted(first) and whole == sorted(whole)
    assert pace.late_gap_s >= pace.inter_token_s


def test_what_the_memory_does_not_hold_waits_for_as_many_to_end():
    """A closed loop of three times the places ends as many requests as one of just the places."""
    machine = replace(MACHINE, memory_bytes=30e9)
    held = first_token_under(MODEL, ONE, 40.0, 1000.0, 500.0, machine=machine)
    most = (0.95 * 30e9 - 14e9) / (1250.0 * 65536.0 * 2.0)
    three = first_token_under(MODEL, ONE, 3.0 * most, 1000.0, 500.0, machine=machine)
    full = first_token_under(MODEL, ONE, most, 1000.0, 500.0, machine=machine)
    assert held.requests_per_s < full.requests_per_s
    assert three.requests_per_s == pytest.approx(full.requests_per_s)
    request_s = full.request_s(500.0, 0.5)
    added_s = three.time_to_first_token_s - full.time_to_first_token_s
    assert added_s == pytest.approx(2.0 * request_s)


NOTHING = dict.fromkeys(("layer_s", "step_s", "sequence_s", "half_rows"), 0.0)
BARE = replace(ENGINE, ceiling_bytes_per_s=1e30, **NOTHING)
"""An engine of the arithmetic and the memory alone."""


@given(models, st.floats(1.0, 4096.0))
def test_energy_per_token_no_longer_falls_once_arithmetic_bounds_the_step(model, flying):
    """With the arithmetic as the only cost, a batch of twice the size saves less than 1%."""
    bound = set_up(
        model=replace(model, cache_values=0.0, pair_flop=0.0),
        machine=replace(MACHINE, bytes_per_s=1e30),
        engine=BARE,
    )
    alone, shared = (
        performance(bound, load(count, 1.0, 1e6)).device_energy_per_output_token_j
        for count in (flying, 2.0 * flying)
    )
    assert shared == pytest.approx(alone, rel=0.01)


@given(st.lists(st.tuples(sequences, context), min_size=1, max_size=8))
def test_arrays_give_what_a_loop_over_scalars_gives(cases):
    flying, tokens = (np.array(values) for values in zip(*cases, strict=True))
    setup = set_up(model=MIXTURE, layout=Layout(devices=2.0))
    together = performance(setup, load(flying, tokens, 200.0))
    for place, (one, length) in enumerate(cases):
        alone = performance(setup, load(one, length, 200.0))
        assert together.output_tokens_per_s[place] == pytest.approx(alone.output_tokens_per_s)
        assert together.device_power_w[place] == pytest.approx(alone.device_power_w)


def test_the_expected_share_of_visited_experts_is_that_of_random_routing():
    random = np.random.default_rng(1)
    tokens, experts, visits, trials = 24, 64, 6, 400
    hits = [
        np.unique(
            np.concatenate([random.choice(experts, visits, replace=False) for _ in range(tokens)])
        ).size
        for _ in range(trials)
    ]
    share = float(visited_share(float(experts), float(visits), float(tokens)))
    assert share == pytest.approx(np.mean(hits) / experts, rel=0.01)


@pytest.mark.parametrize(
    ("experts", "shard", "visits", "tokens"),
    [(64, 8, 6, 24), (64, 8, 6, 4), (256, 32, 8, 16), (128, 8, 8, 1)],
)
def test_the_busiest_device_visits_as_many_experts_as_with_random_routing(
    experts, shard, visits, tokens
):
    random, counts = np.random.default_rng(3), []
    for _ in range(200):
        hit = np.zeros(experts)
        for _ in range(tokens):
            hit[random.choice(experts, visits, replace=False)] = 1.0
        counts.append(hit.reshape(shard, -1).sum(axis=1))
    drawn = np.max(counts, axis=1).mean() / np.mean(counts)
    share = float(visited_share(float(experts), float(visits), float(tokens)))
    assert float(busiest(share, float(experts), float(shard))) == pytest.approx(drawn, rel=0.2)


def test_one_sequence_reads_the_weights_of_an_8_b_model_in_the_time_of_the_arithmetic():
    step = decode_step(MODEL, MACHINE, replace(BARE, read_share=1.0), 1.0, 1.0)
    by_hand_s = 7e9 * 2.0 / 3.35e12
    assert step.total_s == pytest.approx(by_hand_s, rel=0.01)


@given(st.floats(1.0, 4096.0), st.floats(1.0, 4096.0), st.floats(1e-3, 1.0), st.floats(0.0, 10.0))
def test_requests_end_as_fast_as_their_tokens_are_written(flying, written, decode_s, read_s):
    pace = steady_pace(flying, written, decode_s, read_s, decode_s + read_s)
    assert pace.requests_per_s * written == pytest.approx(pace.output_tokens_per_s)
    assert decode_s <= pace.median_gap_s <= pace.late_gap_s * (1.0 + 1e-12)
    assert decode_s <= pace.inter_token_s <= pace.late_gap_s * (1.0 + 1e-12)


@given(st.floats(1.0, 512.0), st.integers(1, 64), st.floats(1e-3, 1.0), st.floats(1e-3, 10.0))
def test_a_static_batch_takes_its_inputs_and_then_its_steps(flying, written, decode_s, read_s):
    pace = static_pace(flying, float(written), decode_s, read_s)
    batch_s = read_s + sum(decode_s for _ in range(written - 1))
    assert pace.requests_per_s * batch_s == pytest.approx(flying)
    assert pace.requests_per_s * written == pytest.approx(pace.output_tokens_per_s)
    assert (pace.time_to_first_token_s, pace.inter_token_s) == (read_s, decode_s)


@given(models, sequences, context, st.floats(1e-6, 1e-2))
def test_launches_ahead_are_hidden_by_the_slower_of_host_and_device(model, flying, tokens, layer_s):
    behind = replace(ENGINE, layer_s=layer_s)
    added = decode_step(model, MACHINE, behind, flying, tokens)
    hidden = decode_step(model, MACHINE, replace(behind, launches_ahead=True), flying, tokens)
    slower_s = max(added.busy_s, added.overhead_s)
    assert slower_s <= hidden.total_s <= min(1.5 * slower_s, added.total_s)
    assert hidden.waiting_s == pytest.approx(hidden.total_s - added.busy_s)
    assert added.waiting_s == pytest.approx(added.overhead_s)


def test_a_program_of_launches_waits_the_less_the_more_its_host_is_ahead():
    """A step bound by its host takes as long for eight sequences as for one, and draws no more."""
    setup = set_up(
        engine=replace(ENGINE, layer_s=5e-4, launches_ahead=True),
        draw=replace(DRAW, between=0.1),
        static_batches=True,
    )
    done = performance(setup, load(np.array([1.0, 8.0, 512.0]), 256.0, 64.0))
    one, eight, many = done.pace.inter_token_s
    assert eight == pytest.approx(one, rel=0.05)
    assert many > 1.5 * one
    one_w, eight_w, many_w = done.device_power_w
    assert one_w == pytest.approx(eight_w, rel=0.2) and many_w > 2.0 * one_w


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_board_draws_between_idle_and_its_limit(reading, computing):
    power = board_power_w(700.0, 70.0, DRAW, memory_rate=reading, arithmetic_rate=computing)
    assert 70.0 < power <= 700.0


@pytest.mark.parametrize(
    ("params", "packed_bytes", "bytes_per_s", "printed_s"),
    [
        (6.74e9, 4.89 / 8.0, 768e9, 512.0 / 3450.93 - 512.0 / 4098.15),
        (8.03e9, 4.64 / 8.0, 1008e9, 2.0 * 512.0 / 7430.94 - 1024.0 / 8655.73),
    ],
)
def test_unpacking_takes_the_memory_as_long_as_printed(
    params, packed_bytes, bytes_per_s, printed_s
):
    """llama.cpp with cuBLAS: an A6000 in Q4_K_M beside F16, pull request 3816; an RTX 4090 in Q4_0
    in passes of 512 tokens beside 1024, pull request 7860."""
    model = replace(MODEL, dense_params=params)
    machine = replace(MACHINE, bytes_per_s=bytes_per_s)
    layout = replace(ONE, dense_bytes=packed_bytes)
    engine = replace(ENGINE, read_share=1.0)
    bare, unpacked = (
        prefill_times(model, one, engine, layout, 512.0)[0].overhead_s
        for one in (machine, replace(machine, unpacked_bytes=2.0))
    )
    assert unpacked - bare == pytest.approx(printed_s, rel=0.1)


def test_two_passes_over_four_stages_take_five_eighths_of_their_time_in_turn():
    """llama.cpp read 1.33 to 1.56 times as fast on four boards as on one; the law says 1.6."""
    one, _ = prefill_times(MODEL, MACHINE, replace(ENGINE, pass_tokens=512.0), ONE, 1024.0)
    layout = replace(ONE, devices=4.0, stages=4.0)
    four, _ = prefill_times(MODEL, MACHINE, replace(ENGINE, pass_tokens=512.0), layout, 1024.0)
    assert one.compute_s / four.compute_s == pytest.approx(1.6)


def test_replicas_that_share_experts_send_each_token_to_all_who_hold_its_own():
    """DeepSeek-V3's eight experts lie on 5.25 of eight devices: 8 (1 - (7 / 8)^8)."""
    sharing = Layout(devices=8.0, data_parallel=8.0, expert_shard=8.0)
    costs = decode_costs(MIXTURE, MACHINE, replace(ENGINE, sequence_s=0.0), sharing, 1.0)
    devices = 8.0 * (1.0 - (7.0 / 8.0) ** 8)
    sent_bytes = 2.0 * devices * 7.0 / 8.0 * MIXTURE.hidden * 2.0
    rate = MACHINE.link_bytes_per_s / 2.0 * ENGINE.link_share
    assert costs.row_overhead_s == pytest.approx(MIXTURE.layers * sent_bytes / rate)


def test_attention_of_a_latent_cache_multiplies_the_whole_latent_for_every_head():
    """DeepSeek-V3, arXiv:2412.19437: 61 layers, 128 heads, a latent of 512 and 64 rotary values."""
    numbers = from_config(Catalog.open().preset("deepseek-r1").config).numbers
    decoded = 61 * 128 * 2 * (512 + 64 + 512)
    assert numbers.pair_flop + numbers.latent_pair_flop == pytest.approx(decoded)
