"""Operations and memory traffic of a step, against sums by hand; where PyTorch is installed."""

import cProfile
import sys
import threading

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch._dynamo.utils")

from torch.nn import attention as torch_attention  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from estimator.measure.bench.torch_engine import TorchEngine  # noqa: E402
from estimator.measure.network_seen import network_seen  # noqa: E402
from estimator.measure.session import Session  # noqa: E402
from estimator.measure.step_counter import (  # noqa: E402
    CannotCountError,
    Counting,
    convolution_backward_flop,
    counted_step,
)

FLOAT = 4
"""Bytes of a number in fp32."""

SQUARE = torch.ones(8, 8)
HEADS = torch.ones(1, 2, 4, 8)
PICTURES, KERNEL = torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3)


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch._dynamo.utils.counters.clear()


def counted_traffic(step):
    found = counted_step(step).operations
    return None if found is None else found.traffic_bytes


@pytest.fixture
def given():
    return torch.ones(6, 8)


def test_what_is_read_and_what_is_written_count(given):
    assert counted_traffic(lambda: given + given) == 3 * 48 * FLOAT
    assert counted_traffic(given.exp) == 2 * 48 * FLOAT
    assert counted_traffic(given.sum) == (48 + 1) * FLOAT
    assert counted_traffic(lambda: given.add_(1.0)) == 2 * 48 * FLOAT
    assert counted_traffic(given.clone().zero_) == 48 * FLOAT


@pytest.mark.parametrize(
    ("step", "numbers"),
    [
        (lambda: SQUARE @ SQUARE, 3 * 64),
        (lambda: torch.baddbmm(SQUARE[None], SQUARE[None], SQUARE[None]), 4 * 64),
        (lambda: torch.nn.functional.conv2d(PICTURES, KERNEL), 3 * 64 + 4 * 27 + 4 * 36),
        (
            lambda: torch.nn.functional.scaled_dot_product_attention(HEADS, HEADS, HEADS),
            4 * 64 + 8,
        ),
        (lambda: SQUARE.view(2, 4, 8)[0].unsqueeze(0).detach(), 0),
    ],
    ids=["product", "batched", "convolution", "attention", "views"],
)
def test_products_move_what_they_read_and_write_and_views_nothing(step, numbers):
    """Beside one function of all values, which shows that something was counted."""
    assert counted_traffic(lambda: (step(), SQUARE.exp())) == (numbers + 2 * 64) * FLOAT


def test_a_repeated_dimension_is_read_once(given):
    repeated = given[0].expand(100, 8)
    assert counted_traffic(lambda: repeated + 1.0) == (8 + 800) * FLOAT


def test_a_table_is_read_where_it_is_looked_up():
    table, words = torch.ones(1000, 8), torch.tensor([1, 2, 3])
    lookup = torch.nn.functional.embedding
    assert counted_traffic(lambda: lookup(words, table)) == 2 * 24 * FLOAT


def test_an_optimizer_reads_and_writes_weights_gradients_and_moments():
    """Weight, gradient and two moments are read; all but the gradient go back."""
    weights = torch.ones(1_000_000, requires_grad=True)
    weights.grad = torch.ones(1_000_000)
    adam = torch.optim.Adam([weights], fused=True)
    adam.step()
    assert counted_traffic(adam.step) == pytest.approx(28e6, rel=0.15)


def test_operations_are_products_and_the_rest_but_no_views(given):
    counts = counted_step(lambda: (SQUARE @ SQUARE).t().exp().sum())
    assert counts.operations.count == 3


def test_half_the_width_moves_half(given):
    half = given.to(torch.bfloat16)
    assert counted_traffic(half.exp) == 2 * 48 * 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_steps_are_unknown(given):
    compiled = torch.compile(lambda values: values.sin() + 1.0)
    assert counted_traffic(lambda: compiled(given)) is None
    network = torch.compile(torch.nn.Linear(8, 8))
    assert counted_traffic(lambda: network(given).exp()) is None


def test_a_step_that_touches_nothing_is_unknown():
    assert counted_traffic(lambda: None) is None


def test_a_session_counts_it_beside_the_flop(given):
    network = torch.nn.Linear(8, 8, bias=False)
    session = Session(devices=2)
    session.count_flop(lambda: network(given).exp().sum())
    assert session.flop == 2 * 2 * 6 * 8 * 8
    product = 48 + 64 + 48
    assert session.traffic_bytes == 2 * (product + 2 * 48 + 48 + 1) * FLOAT
    assert session.operations == 2 * 3
    session.step()
    assert session._reported_fields()["traffic_bytes"] == session.traffic_bytes


def test_in_inference_mode_as_much_is_moved(given):
    layer = torch.nn.Linear(8, 8, bias=False)
    with torch.inference_mode():
        assert counted_traffic(lambda: layer(given).exp()) == (160 + 2 * 48) * FLOAT


def test_beside_a_profiler_of_c_code_nothing_is_known_and_nothing_breaks(given):
    with cProfile.Profile() as profiler:
        assert counted_step(given.exp).operations is None
        assert sys.getprofile() is profiler


def test_a_profile_function_is_set_again(given):
    before = sys.getprofile()
    sys.setprofile(seen := lambda *_: None)
    try:
        counted_step(given.exp)
        assert sys.getprofile() is seen
    finally:
        sys.setprofile(before)


def test_a_session_tells_its_step_as_options():
    assert Session(flop=2e9, operations=812.0, traffic_bytes=3e8).step_options == (
        "--step-flop 2e+09 --step-operations 812 --step-traffic 3e+08"
    )
    assert Session().step_options == ""


def counts_of(step):
    counting = Counting()
    try:
        step()
    finally:
        assert counting.end()
    return counting.counts


def trained(layer, *shape):
    given = torch.randn(*shape, requires_grad=True)

    def step():
        found = layer(given)
        (found[0] if isinstance(found, tuple) else found).square().sum().backward()

    return step


def counted_plainly(step):
    """FLOPs by PyTorch's own counter, fused kernels replaced by plain products."""
    aten = torch.ops.aten
    formulas = {aten.convolution_backward: convolution_backward_flop}
    plain = torch_attention.sdpa_kernel(torch_attention.SDPBackend.MATH)
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with plain, torch.backends.mkldnn.flags(enabled=False), counter:
        step()
    return counter.get_total_flops()


def attended(dropout=0.0, mask=None):
    heads = [torch.randn(2, 4, length, 16, requires_grad=True) for length in (32, 48, 48)]
    attention = torch.nn.functional.scaled_dot_product_attention
    return lambda: attention(*heads, attn_mask=mask, dropout_p=dropout).sum().backward()


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize(
    "step",
    [
        trained(torch.nn.LSTM(16, 24, num_layers=2, bidirectional=True), 20, 4, 16),
        trained(torch.nn.GRU(16, 24, batch_first=True), 4, 20, 16),
        trained(torch.nn.RNN(16, 24), 20, 4, 16),
        trained(torch.nn.Conv2d(8, 16, 3, groups=4), 2, 8, 10, 10),
        trained(torch.nn.ConvTranspose1d(8, 4, 5, stride=2), 2, 8, 30),
        trained(torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2, 24, 32),
        attended(),
        attended(dropout=0.5),
        attended(mask=torch.ones(32, 48, dtype=torch.bool)),
    ],
    ids=[
        *("LSTM", "GRU", "RNN", "grouped", "transposed", "encoder", "attention", "dropout"),
        "masked",
    ],
)
def test_kernels_as_they_run_count_what_plain_products_count(step):
    """Another route: formulas of fused kernels against the same step without any."""
    assert counts_of(step).total_flop == pytest.approx(counted_plainly(step), rel=0.01)


@pytest.mark.parametrize(
    ("kind", "name"), [("float32", "fp32"), ("bfloat16", "bf16"), ("float64", "fp64")]
)
def test_the_number_format_is_that_of_the_products(kind, name):
    matrix = torch.ones(8, 8, dtype=getattr(torch, kind))
    counts = counts_of(lambda: (matrix @ matrix).float().exp().sum())
    assert counts.precision == name
    assert counts.total_flop == 2 * 8**3


def test_under_autocast_it_is_that_of_the_casts():
    layer = torch.nn.Linear(8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert counts_of(lambda: layer(SQUARE).sum()).precision == "bf16"


CAUSAL = torch.ones(24, 24, dtype=torch.bool).triu(1)
PADDED = torch.ones(2, 1, 1, 24, dtype=torch.bool)


def looked_at(mask):
    """Attention written out: scores of all pairs, hidden where masked."""
    heads = torch.randn(2, 4, 24, 16, requires_grad=True)
    words = torch.nn.Embedding(30, 8)

    def step():
        scores = (heads @ heads.transpose(-1, -2)).masked_fill(mask, -1e9)
        found = (scores.softmax(-1) @ heads).sum() + words(torch.arange(9)).sum()
        found.backward()

    return step


class Residual(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, given):
        for layer in self.layers:
            given = given + layer(given).relu()
        return given


@pytest.mark.parametrize(
    ("step", "arch"),
    [
        (trained(torch.nn.LSTM(16, 24), 20, 4, 16), "LSTM"),
        (trained(torch.nn.GRU(16, 24), 20, 4, 16), "GRU"),
        (trained(torch.nn.Linear(8, 8), 4, 8), "MLP"),
        (trained(Residual(), 2, 4, 8, 8), "ResNet"),
        (trained(torch.nn.Conv2d(3, 4, 3), 2, 3, 8, 8), "CNN"),
        (trained(torch.nn.Conv2d(4, 4, 3, groups=4), 2, 4, 8, 8), "depthwise CNN"),
        (trained(torch.nn.Conv1d(3, 4, 3), 2, 3, 8), "1-D CNN"),
        (trained(torch.nn.Conv1d(3, 4, 1), 2, 3, 8), "MLP"),
        (trained(torch.nn.TransformerEncoderLayer(32, 4, 64), 24, 2, 32), "transformer encoder"),
        (looked_at(CAUSAL), "decoder"),
        (looked_at(PADDED), "encoder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_runs_tells_the_network(step, arch):
    counts = counts_of(step)
    assert network_seen(counts.products, counts.seen)["arch"] == arch


def test_a_mode_that_began_later_is_not_ended(given):
    """Ours goes on below it, counts no more, and is ended when that one is over."""

    class Other(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), named=None):
            return operation(*args, **(named or {}))

    counting = Counting()
    SQUARE @ SQUARE
    with Other():
        assert not counting.end()
        SQUARE @ SQUARE
    assert counting.counts.total_flop == 2 * 8**3
    assert counting.end()
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert sys.getprofile() is None or "look" not in repr(sys.getprofile())


def test_a_condition_in_the_graph_runs_and_hides_what_it_does(given):
    counts = counts_of(
        lambda: torch.cond(given.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (given,))
    )
    assert counts.operations is None
    assert counts.missed == ["cond"]


def test_operations_of_others_may_hold_products(given):
    @torch.library.custom_op("twenty_watts_test::scaled", mutates_args=())
    def scaled(values: torch.Tensor) -> torch.Tensor:
        return values * 2.0

    counts = counts_of(lambda: (SQUARE @ SQUARE, scaled(given)))
    assert counts.missed == ["twenty_watts_test.scaled.default"]
    assert counts.operations is None


def test_a_profiler_that_began_later_is_left_alone(given):
    profiler = cProfile.Profile()
    try:
        counted_step(lambda: (given.exp(), profiler.enable()))
        assert sys.getprofile() is profiler
    finally:
        profiler.disable()


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "under a mode"])
def test_nothing_is_counted_where_that_would_change_the_program(compiled, given):
    if compiled:
        torch._dynamo.utils.counters["frames"]["total"] = 1
        with pytest.raises(CannotCountError, match="compiled by"):
            Counting()
    else:
        with (
            FlopCounterMode(display=False),
            pytest.raises(CannotCountError, match="active PyTorch mode"),
        ):
            Counting()
    assert sys.getprofile() is None
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None


def test_a_function_that_compiles_whole_runs_while_a_step_is_counted(given):
    """As it was written: PyTorch refuses to compile it under our mode."""
    whole = torch.compile(lambda values: values @ values.T, fullgraph=True)
    counts = counts_of(lambda: whole(given))
    assert counts.total_flop == 2 * 6 * 6 * 8
    assert counts.operations is None


def test_nested_tensors_train_on(given):
    layer = torch.nn.Linear(8, 8)
    ragged = torch.nested.nested_tensor([given, given[:3]], layout=torch.jagged)
    counts_of(lambda: layer(ragged).values().sum().backward())
    assert layer.weight.grad is not None


@pytest.mark.parametrize(
    ("product", "flop"),
    [
        (lambda: SQUARE.mv(SQUARE[0]), 2 * 64),
        (lambda: torch.addmv(SQUARE[0], SQUARE, SQUARE[0]), 2 * 64),
        (lambda: SQUARE[0].dot(SQUARE[0]), 2 * 8),
        (lambda: torch.addbmm(SQUARE, SQUARE[None], SQUARE[None]), 2 * 512),
    ],
    ids=["mv", "addmv", "dot", "addbmm"],
)
def test_small_products_count(product, flop):
    assert counts_of(product).total_flop == flop


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize(
    "step",
    [
        lambda: torch.linalg.inv(SQUARE + torch.eye(8)),
        lambda: torch.fft.fft(SQUARE),
        lambda: SQUARE.to_sparse_csr() @ SQUARE,
        lambda: SQUARE.to(torch.complex64) @ SQUARE.to(torch.complex64),
    ],
    ids=["inverse", "transform", "sparse", "complex"],
)
def test_products_without_a_formula_are_missed(step):
    assert counts_of(step).missed


def test_norms_of_gradients_are_no_products(given):
    assert counts_of(lambda: (SQUARE @ SQUARE, torch.linalg.vector_norm(given))).missed == []


def test_a_count_that_ends_in_another_thread_ends_in_its_own(given):
    counting, found = Counting(), []
    thread = threading.Thread(target=lambda: found.append(counting.end()))
    thread.start()
    thread.join()
    assert found == [False]
    assert counting.end()


def flop_of(step):
    return counted_step(step).total_flop


@pytest.mark.parametrize(("cell", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_are_counted(cell, gates):
    """Each step of a sequence multiplies input and state by a matrix per gate, forward and back."""
    batch, length, width = 4, 50, 32
    layer = getattr(torch.nn, cell)(width, width, batch_first=True)
    given = torch.randn(batch, length, width, requires_grad=True)
    expected = 3 * 2 * batch * length * gates * width * 2 * width
    assert flop_of(lambda: layer(given)[0].sum().backward()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("groups", [1, 4, 16])
def test_groups_of_a_convolution_are_counted_once(groups):
    layer = torch.nn.Conv2d(16, 16, 3, padding=1, groups=groups, bias=False)
    given = torch.randn(2, 16, 8, 8, requires_grad=True)
    forward = 2 * 2 * 16 * (16 / groups) * 9 * 8 * 8
    assert flop_of(lambda: layer(given).sum().backward()) == 3 * forward


@pytest.mark.parametrize(
    ("network", "shape"),
    [("decoder", (2, 64, 64, 8)), ("convolution", (16, 32, 8)), ("perceptron", (256, 64))],
)
def test_the_formula_of_each_network_of_the_benchmark_is_what_is_counted(network, shape):
    job = getattr(TorchEngine("cpu", "cpu"), network)(*shape, "fp32")
    assert job.flop == pytest.approx(flop_of(job.prepare()), rel=0.01)


def test_products_of_experts_are_counted():
    """Each row is multiplied by the matrix of its expert, forward and twice back."""
    rows, experts = torch.randn(48, 16, requires_grad=True), torch.randn(4, 16, 32)
    experts.requires_grad_()
    ends = torch.tensor([8, 16, 40, 48], dtype=torch.int32)
    found = flop_of(lambda: torch._grouped_mm(rows, experts, offs=ends).square().sum().backward())
    assert found == 3 * 2 * 48 * 16 * 32


def test_losses_that_hold_derivatives_are_counted():
    """A solver of differential equations: gradients of gradients by its inputs."""
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1, bias=False)
    )
    given = torch.ones(8, 2, requires_grad=True)

    def derived(value):
        return torch.autograd.grad(value.sum(), given, create_graph=True)[0]

    def step():
        derived(derived(network(given))[:, 0]).square().sum().backward()

    once = 2 * 8 * (2 * 16 + 16)
    assert flop_of(step) > 3 * once
