"""The mechanism behind the utilization, its fit, and the shipped parameters."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.core.rows import rows_of
from estimator.networks.kinds import network_kind
from estimator.question.workload_columns import training_flop
from estimator.training.features import (
    VENDORS,
    fitted_model,
    kinds_of_rows,
    prior_model,
    shipped_spreads,
)
from estimator.training.launches import UsualSteps
from estimator.training.mechanism import (
    MOST_EXPECTED,
    PARAMETERS,
    RunFeatures,
    expected_utilization,
    log_launched_ahead,
    log_utilization,
    thin_places,
    within_bound,
)
from estimator.training.parallelism import TrainingLayout
from estimator.validation.published_runs import usable_runs
from estimator.validation.utilization_fit import PublishedArrays, concatenate_runs
from estimator.validation.utilization_fit import fitted_model as fit
from tests.training.stated import A100, features_of

USUAL = TrainingLayout(params=7e9, active_params=7e9, batch_tokens=4e6, recomputation=0.5)
DECODER = RunFeatures(
    hidden=4096.0,
    seq_len=2048.0,
    year=2023.0,
    value_bytes=2.0,
    layout=USUAL,
    log_sd=0.4,
    usual_steps=UsualSteps(step_s=0.1, step_sd=2.0, steps=1e4, steps_sd=3.0),
)


@pytest.fixture(scope="module")
def model(catalog):
    return fitted_model(catalog)


def reached(model, features=DECODER, machine=A100, flop=1e22, devices=64.0):
    return float(np.exp(log_utilization(model, features, machine, flop=flop, devices=devices)))


@given(
    st.floats(64, 20_000),
    st.floats(128, 1e6),
    st.floats(1e12, 1e29),
    st.integers(1, 100_000),
    st.floats(1e11, 1e14),
)
def test_a_utilization_is_a_share(model, hidden, seq_len, flop, devices, bandwidth):
    features = replace(DECODER, hidden=hidden, seq_len=seq_len)
    machine = replace(A100, memory_bytes_per_s=bandwidth)
    assert 0 < reached(model, features, machine, flop, float(devices)) <= 1


@given(st.floats(0.01, 2), st.floats(16, 100_000), st.floats(2000, 2040))
def test_the_bound_ends_an_interval_and_makes_nothing_else_surer(model, log_sd, hidden, year):
    """An answer near the bound may be as far too high as any other."""
    features = replace(DECODER, hidden=hidden, year=year, log_sd=log_sd)
    expected = min(reached(model, features), MOST_EXPECTED)
    unbounded = expected_utilization(model, features, A100, flop=1e22, devices=64.0)
    low, high = within_bound(unbounded).interval()
    spread = np.exp(1.2815515655446008 * log_sd)
    assert low == pytest.approx(expected / spread)
    assert high == pytest.approx(min(expected * spread, 0.85))
    assert high <= 0.85


@given(st.floats(128, 10_000), st.floats(1.1, 4))
def test_wider_networks_and_faster_memories_never_hurt(model, hidden, factor):
    narrow = reached(model, replace(DECODER, hidden=hidden))
    assert reached(model, replace(DECODER, hidden=hidden * factor)) >= narrow
    faster = replace(A100, memory_bytes_per_s=A100.memory_bytes_per_s * factor)
    assert reached(model, machine=faster) >= reached(model)


@given(st.floats(1e18, 1e24), st.integers(1, 1000))
def test_little_work_on_many_devices_is_wasteful(model, flop, devices):
    assert reached(model, flop=flop, devices=2.0 * devices) <= reached(
        model, flop=flop, devices=float(devices)
    )


def test_the_same_resnet_reaches_more_of_the_fp32_peak_than_of_the_tensor_peak(model):
    resnet = replace(DECODER, convolution=1.0, year=2019.0)
    tensor = replace(
        A100, peak_flop_per_s=125e12, peak_16_bit_flop_per_s=125e12, memory_bytes_per_s=897e9
    )
    fp32 = replace(tensor, peak_flop_per_s=15.7e12, peak_16_bit_flop_per_s=15.7e12)
    slow = reached(model, replace(resnet, value_bytes=4.0), fp32, 1e18, 8.0)
    fast = reached(model, resnet, tensor, 1e18, 8.0)
    assert slow > 1.5 * fast


@given(st.floats(128, 10_000), st.floats(512, 8192))
def test_encoders_of_vendors_are_faster_than_those_of_research_and_decoders_do_not_care(
    model, hidden, seq_len
):
    decoder = replace(DECODER, hidden=hidden, seq_len=seq_len)
    encoder = replace(decoder, encoder=1.0)
    rates = [reached(model, replace(encoder, software=tuned)) for tuned in (-1.0, 0.0, 1.0)]
    assert rates[0] < rates[1] < rates[2] <= reached(model, decoder)
    assert reached(model, replace(decoder, software=-1.0)) == reached(model, decoder)


@pytest.mark.parametrize("kind", ["unet", "convolution", "recurrent"])
def test_networks_of_vendors_are_faster_on_matrix_units_than_those_of_research(model, kind):
    network = replace(DECODER, **{kind: 1.0})
    rates = [reached(model, replace(network, software=tuned)) for tuned in (-1.0, 0.0, 1.0)]
    assert rates[0] < rates[1] < rates[2]


def test_vector_units_are_as_fast_whoever_wrote_the_code(model):
    slow = replace(A100, peak_flop_per_s=19.5e12, peak_16_bit_flop_per_s=19.5e12, matrix_units=0.0)
    resnet = replace(DECODER, convolution=1.0)
    assert reached(model, replace(resnet, software=1.0), slow) == reached(model, resnet, slow)


@given(st.floats(2_048, 1_000_000), st.floats(1_024, 16_384))
def test_causal_kernels_skip_work_that_is_counted(model, seq_len, hidden):
    """Never more than the half of the scores, and nothing of short sequences."""
    full = replace(DECODER, seq_len=seq_len, hidden=hidden, steady=1.0)
    gained = reached(model, replace(full, scores=0.5)) / reached(model, full)
    assert 1.0 < gained <= 2.0
    short = replace(full, seq_len=1.0)
    assert reached(model, replace(short, scores=0.5)) == pytest.approx(
        reached(model, short), rel=1e-3
    )


def test_attention_of_long_sequences_comes_nearer_to_matrix_products(model):
    """8 billion parameters at 131,072 tokens in 2025: within a third of the speed at 8,192."""
    model_8b = replace(DECODER, hidden=4096.0, year=2025.0, scores=0.5, steady=1.0)
    short, long = (reached(model, replace(model_8b, seq_len=s)) for s in (8_192.0, 131_072.0))
    assert 0.75 < long / short < 1.5


def test_hosts_that_decode_photographs_set_a_limit(model):
    """A hundredth of the time does not matter; ten times it is all that matters."""
    resnet = replace(DECODER, convolution=1.0, steady=1.0)
    alone = reached(model, resnet, flop=1e18, devices=8.0)
    device_s = 1e18 / A100.peak_flop_per_s / alone
    few, many = (
        replace(resnet, pictures=times * device_s / model.picture_s) for times in (0.01, 10.0)
    )
    assert reached(model, few, flop=1e18, devices=8.0) == pytest.approx(alone, rel=1e-3)
    limited = reached(model, many, flop=1e18, devices=8.0)
    assert alone / limited == pytest.approx(10.0, rel=0.01)
    tuned = replace(many, software=1.0)
    assert reached(model, tuned, flop=1e18, devices=8.0) > 5.0 * limited


def test_decoders_of_late_years_are_causal_unless_said(catalog):
    found = features_of(
        catalog,
        "language",
        ["decoder"] * 5,
        seq_len=[8192.0] * 5,
        year=[2020.0, 2024.0, 2024.0, 2020.0, np.nan],
        causal=[np.nan, np.nan, 0.0, 1.0, np.nan],
    )
    assert found.scores.tolist() == [1.0, 0.5, 1.0, 0.5, 0.5]


def test_small_models_on_many_devices_wait_for_their_launches(model):
    """135 million parameters: a step on 64 devices is short, on one it is long."""
    layout = replace(USUAL, params=135e6, active_params=135e6, batch_tokens=1e6)
    small = replace(DECODER, hidden=576.0, layout=layout, launch_s=0.09)
    large = replace(small, layout=replace(layout, params=7e9, active_params=7e9))
    hopper = replace(A100, peak_flop_per_s=989e12, peak_16_bit_flop_per_s=989e12)
    for network, least, most in ((small, 0.5, 0.9), (large, 0.99, 1.0)):
        kept = np.exp(
            log_utilization(model, network, hopper, flop=1e21, devices=64.0)
            - log_launched_ahead(model, network, hopper, flop=1e21, devices=64.0)
        )
        assert least < kept < most


def test_a_compiler_of_whole_graphs_tunes_as_a_vendor_does(model):
    encoder = replace(DECODER, encoder=1.0, hidden=768.0)
    compiled = reached(model, encoder, replace(A100, compiled=1.0))
    assert compiled == reached(model, replace(encoder, software=1.0))
    resnet = replace(DECODER, convolution=1.0)
    assert reached(model, resnet, replace(A100, compiled=1.0)) > reached(model, resnet)


def test_recommenders_wait_for_vectors_that_other_devices_hold(model):
    """The more of their tables are elsewhere, the slower the links: only recommenders look up."""
    dlrm = replace(DECODER, other=1.0, software=1.0)
    alone, node, nodes = (
        reached(model, dlrm, flop=1e22, devices=devices) for devices in (1.0, 8.0, 64.0)
    )
    assert nodes < 0.8 * node < alone
    slow = replace(A100, link_bytes_per_s=64e9)
    assert reached(model, dlrm, slow, devices=8.0) < 0.9 * node
    resnet = replace(dlrm, other=0.0, convolution=1.0)
    assert reached(model, resnet, slow, devices=8.0) == reached(model, resnet, devices=8.0)


@given(st.floats(256, 8192), st.floats(2014, 2024))
def test_attention_is_slower_than_matrix_products_until_its_kernels_are_fused(model, hidden, year):
    def lost(year):
        """Utilization of long over that of short sequences, all else of them alike."""
        short = replace(DECODER, hidden=hidden, year=year, seq_len=128.0)
        one, other = (reached(model, it) for it in (short, replace(short, seq_len=65_536.0)))
        return other / one

    assert lost(year) < lost(year + 1.0) < 1.0
    resnet = replace(DECODER, convolution=1.0)
    assert reached(model, resnet) == reached(model, replace(resnet, seq_len=65_536.0))


def test_uses_that_few_runs_are_published_of_are_slower(model):
    assert reached(model, replace(DECODER, rare=1.0)) < 0.95 * reached(model)


def test_the_update_of_the_parameters_costs_steps_of_few_tokens(model):
    few, many = (
        reached(model, replace(DECODER, layout=replace(USUAL, batch_tokens=tokens)), devices=1.0)
        for tokens in (2e3, 4e6)
    )
    assert few < 0.95 * many


def test_formats_without_matrix_units_reach_more_of_their_peak(model):
    slow = replace(A100, peak_flop_per_s=19.5e12, peak_16_bit_flop_per_s=19.5e12)
    assert reached(model, machine=replace(slow, matrix_units=0.0)) > reached(model, machine=slow)


def test_wider_depthwise_networks_move_fewer_values_for_a_flop(catalog, model):
    """EfficientNet-B4 has 3.6 times the parameters of B0; unknown, they are as usual."""
    params = [5.3e6, 1e7, 1.9e7, np.nan]
    features = features_of(
        catalog, "vision", ["CNN"] * 4, "EfficientNet", flop=1e18, params_total=params
    )
    expected = log_utilization(model, features, A100, flop=1e18, devices=8.0)
    assert expected[0] < expected[1] < expected[2]
    assert expected[3] == pytest.approx(expected[1])
    assert np.exp(expected[2] - expected[0]) == pytest.approx((1.9 / 0.53) ** (1 / 3), rel=0.1)


def test_code_that_no_vendor_tuned_is_less_sure(catalog):
    """Unspecified software counts as such, and a vendor's scatters least."""
    software = [1.0, 0.0, -1.0, np.nan]
    spread = features_of(catalog, "language", ["decoder"] * 4, software=software).log_sd
    assert spread[0] < spread[1] == spread[2] == spread[3]


@pytest.mark.parametrize(
    ("omitted", "column", "value"),
    [
        ("width", "hidden", 4096.0),
        ("sequence", "seq_len", 2048.0),
        ("devices", "accelerator_count", 64.0),
    ],
)
def test_what_a_run_omits_adds_its_own_variance(catalog, omitted, column, value):
    silent, stated = features_of(
        catalog, "language", ["decoder"] * 2, **{column: [np.nan, value]}
    ).log_sd
    record = catalog.prior(f"utilization.unspecified.{omitted}")
    own = np.log(record.high / record.low) / 2 / 1.2815515655446008
    assert silent**2 - stated**2 == pytest.approx(own**2)


def test_little_work_and_rare_devices_make_runs_sparse_but_not_of_vendors_or_u_nets():
    def places(flop=1e15, rare_device=1.0, **changed):
        return thin_places(flop, replace(DECODER, **changed), rare_device)

    (few, rare), (fewer, _) = places(), places(flop=1e14)
    assert fewer - few == pytest.approx(1.0) and rare == 1.0
    assert places(software=1.0)[0] == 0.0
    assert [places(unet=share, rare=1.0)[1] for share in (0.0, 1.0)] == [2.0, 1.0]


def test_networks_of_experts_share_a_spread_of_their_own(catalog):
    shipped = shipped_spreads(catalog)
    unsure = replace(shipped, groups={**shipped.groups, "experts": 1.0})
    after, before = (
        features_of(catalog, "language", ["dense decoder", "MoE"], spreads=spreads).log_sd
        for spreads in (unsure, shipped)
    )
    plain, sparse = after / before
    assert plain == 1.0
    assert sparse > 2.0


def test_a_transducer_of_a_vendor_is_not_slowed_as_speech_of_others_is(model):
    transducer = replace(DECODER, recurrent=1.0, rare=1.0, speech=1.0)
    tuned, typical, research = (
        reached(model, replace(transducer, software=s)) for s in (1.0, 0.0, -1.0)
    )
    assert tuned == pytest.approx(reached(model, replace(DECODER, recurrent=1.0, software=1.0)))
    assert tuned > 2.0 * typical > 2.0 * research


def test_steps_launched_one_by_one_are_as_little_fused_as_research_code(catalog):
    archs = ["RNN (LSTM)", "RNN (LSTM, step by step)"]
    assert features_of(catalog, "speech", archs, software=[1.0, 1.0]).software.tolist() == [1, -1]


def test_recurrences_take_longer_the_less_bandwidth_feeds_the_peak(model):
    recurrent = replace(DECODER, recurrent=1.0)
    starved = replace(A100, memory_bytes_per_s=A100.memory_bytes_per_s / 4)
    assert reached(model, recurrent) < reached(model)
    assert reached(model, recurrent, starved) < 0.6 * reached(model, recurrent)


def test_recomputation_costs_adapters_half_as_much_again(model):
    def cost(lora):
        rates = [
            reached(
                model,
                replace(DECODER, lora=lora, steady=1.0, layout=replace(USUAL, recomputation=share)),
                devices=1.0,
            )
            for share in (0.0, 1.0)
        ]
        return rates[0] / rates[1] - 1.0

    assert cost(1.0) == pytest.approx(1.5 * cost(0.0), rel=0.02)


@given(st.integers(2, 4096), st.floats(1e3, 1e6))
def test_steps_that_many_devices_share_wait_for_each_other(model, devices, steps):
    resnet = replace(DECODER, convolution=1.0, steps=steps)
    unknown = replace(resnet, steps=float("nan"))
    assert reached(model, resnet, devices=float(devices)) < reached(
        model, unknown, devices=float(devices)
    )


def test_the_fit_recovers_the_parameters_that_made_the_runs(model, catalog):
    """Runs made by a known model, on the devices and networks of the real ones, give it back."""
    real = usable_runs(catalog).runs
    prior = prior_model(catalog)
    truth = replace(model, matrix_slowdown=2.2, convolution_values=0.009, startup_s=8.0)
    expected = log_utilization(
        truth, real.features, real.machine, flop=real.flop, devices=real.devices
    )
    rng = np.random.default_rng(4)
    noise = rng.normal(0.0, 0.05, len(real.flop))
    hours = real.flop / real.machine.peak_flop_per_s / 3600 / np.exp(expected + noise)
    found = fit(prior, replace(real, device_hours=hours))
    again = log_utilization(
        found, real.features, real.machine, flop=real.flop, devices=real.devices
    )
    assert np.median(np.abs(again - expected)) < 0.03
    for name in ("convolution_values", "speedup_per_year"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=0.25), name


def test_without_runs_the_prior_stands(catalog):
    prior = prior_model(catalog)
    runs = usable_runs(catalog).runs
    found = fit(prior, rows_of(runs, np.zeros(len(runs.flop), dtype=bool)))
    for name in PARAMETERS:
        assert getattr(found, name) == pytest.approx(float(prior[name].mid)), name


def test_the_shipped_parameters_are_those_of_the_fit(catalog):
    published = usable_runs(catalog)
    again = fit(prior_model(catalog), concatenate_runs(published.runs, published.tables))
    shipped = asdict(fitted_model(catalog))
    for name, value in asdict(again).items():
        assert shipped[name] == pytest.approx(value, rel=1e-3), name


def test_every_group_of_networks_has_a_spread(catalog):
    spreads = shipped_spreads(catalog).groups
    groups = {
        network_kind(work, arch).group
        for work in ("language", "vision", "diffusion", "speech", "multimodal", "other")
        for arch in ("", "CNN", "dense decoder", "MoE", "U-Net", "LSTM", "EfficientNet", "GNN")
    }
    assert groups | {f"{VENDORS}{group}" for group in groups} <= set(spreads)
    assert all(0.2 < spread < 1.2 for spread in spreads.values())


@pytest.mark.parametrize(
    ("work", "arch", "name", "group", "flags"),
    [
        ("language", "dense decoder", "Llama", "decoder", ()),
        ("language", "", "", "decoder", ()),
        ("language", "MoE", "Mixtral", "decoder", ("sparse",)),
        ("language", "dense transformer encoder", "BERT", "transformer", ("encoder",)),
        ("vision", "CNN", "ResNet-50", "convolution", ("convolution",)),
        ("vision", "", "", "convolution", ("convolution",)),
        ("vision", "CNN", "EfficientNet-B4", "depthwise", ("depthwise",)),
        ("vision", "CNN", "EfficientNetV2-XL", "convolution", ("convolution",)),
        ("vision", "dense transformer encoder (ViT)", "DeiT-B", "transformer", ("encoder",)),
        ("multimodal", "contrastive ViT", "CLIP", "transformer", ("encoder", "contrastive")),
        ("diffusion", "diffusion U-Net", "DDPM", "unet", ("unet",)),
        ("other", "SSM (Hyena)", "HyenaDNA", "recurrent", ("recurrent", "rare")),
        ("language", "dense decoder (LoRA r16)", "llama2 lora", "decoder", ("lora",)),
        ("other", "", "", "other", ()),
        ("other", "DLRM-DCNv2", "", "other", ("other",)),
        ("vision", "DETR", "DETR R50", "transformer", ("encoder",)),
        ("speech", "wav2vec2", "", "transformer", ("encoder", "rare", "speech")),
        ("language", "BERT", "PubMedBERT", "transformer", ("encoder",)),
        ("other", "decoder transformer", "BioGPT", "decoder", ("rare",)),
    ],
)
def test_free_words_name_a_kind_of_network(work, arch, name, group, flags):
    kind = network_kind(work, arch, name)
    assert kind.group == group
    on = {flag for flag, value in asdict(kind).items() if value is True}
    assert on - {"pictures"} == set(flags)
    assert kind.pictures == (work == "vision")


@pytest.mark.parametrize(
    ("work", "arch", "name", "group", "transformer"),
    [
        ("language", "RWKV (RNN)", "RWKV-4 7B", "decoder", False),
        ("language", "decoder, linear attention", "", "decoder", False),
        ("language", "SSM hybrid", "Nemotron-H 56B", "decoder", False),
        ("language", "RNN", "", "recurrent", False),
        ("vision", "CNN", "Xception", "depthwise", False),
        ("vision", "CNN", "ShuffleNet v2", "depthwise", False),
        ("language", "decoder", "", "decoder", True),
    ],
)
def test_linear_recurrences_train_like_decoders_and_separable_ones_like_mobilenets(
    work, arch, name, group, transformer
):
    kind = network_kind(work, arch, name)
    assert (kind.group, kind.transformer) == (group, transformer)


def test_nobody_waits_for_pictures_as_small_as_those_of_cifar():
    assert network_kind("vision", "CNN", "ResNet-18 ImageNet").pictures
    assert not network_kind("vision", "CNN", "ResNet-18 CIFAR-10").pictures


def work_of(arch, **given):
    """FLOPs of a run of language of which a table states this [FLOP]."""
    columns = (
        *("train_flops_reported", "flops_per_sample_forward", "samples_processed", "vocab"),
        *("params_total", "params_active", "tokens_processed", "layers", "hidden", "seq_len"),
    )
    numbers = {name: np.array([given.get(name, np.nan)]) for name in columns}
    return float(training_flop(numbers, kinds_of_rows(["language"], [arch], ["x"]))[0])


def test_work_by_tokens_counts_attention_experts_adapters_and_shared_layers():
    plain = {"params_total": 1e9, "tokens_processed": 1e10}
    assert work_of("dense decoder", **plain) == 6e19
    assert work_of("MoE", **plain, params_active=2e8) == pytest.approx(1.2e19)
    assert work_of("dense decoder (LoRA)", **plain) == pytest.approx(4e19)
    sized = plain | {"layers": 16.0, "hidden": 2048.0, "seq_len": 2048.0}
    attention = 12 * 16 * 2048 * 2048 * 1e10
    assert work_of("dense decoder", **sized) == pytest.approx(6e19 + attention)
    assert work_of("SSM", **sized) == 6e19
    albert = {"params_total": 2.35e8, "tokens_processed": 1.0, "layers": 12.0, "hidden": 4096.0}
    assert work_of("encoder", **albert) == pytest.approx(6 * 12 * 12 * 4096**2)
    assert np.isnan(work_of("dense decoder"))


def test_work_of_encoders_leaves_their_word_table_out():
    bert = {"params_total": 110e6, "tokens_processed": 1e9}
    sized = bert | {"hidden": 768.0, "vocab": 30_522.0}
    assert work_of("BERT", **bert) == pytest.approx(6 * 110e6 * 1e9)
    assert work_of("BERT", **sized) == pytest.approx(6 * (110e6 - 768 * 30_522) * 1e9)


def test_samples_of_a_known_length_are_tokens():
    sized = {"params_total": 1e9, "seq_len": 2048.0}
    samples = work_of("dense decoder", **sized, samples_processed=1e6)
    assert samples == work_of("dense decoder", **sized, tokens_processed=2048e6)


def test_attention_of_a_usual_network_is_counted_where_its_layers_are_not_told():
    """As `estimate` counts it: one of 1e9 parameters and the usual shape, stated or not."""
    layers, hidden = 15.625, 2309.4  # 12 layers x width^2 are 1e9, the width 148 a layer
    said = {"params_total": 1e9, "tokens_processed": 1e10, "seq_len": 8192.0}
    stated = work_of("dense decoder", **said, layers=layers, hidden=hidden)
    assert stated == pytest.approx(6e19 + 12 * layers * hidden * 8192 * 1e10)
    assert work_of("dense decoder", **said) == pytest.approx(stated, rel=0.1)


def test_runs_can_be_cut():
    runs = PublishedArrays(
        flop=np.array([1e18, 1e19]),
        devices=np.array([1.0, 2.0]),
        device_hours=np.array([1.0, 2.0]),
        machine=A100,
        features=DECODER,
        family=np.array(["a", "b"]),
        stack=np.array(["a", "b"]),
    )
    cut = rows_of(runs, np.array([False, True]))
    assert cut.flop.tolist() == [1e19]
    assert cut.machine == A100
