"""FLOPs counted by PyTorch as a step runs, against formulas; where PyTorch is installed."""

import pytest

torch = pytest.importorskip("torch")

from estimator.measure.bench.network_styles import STYLES  # noqa: E402
from estimator.measure.bench.torch_engine import TorchEngine  # noqa: E402
from estimator.measure.flop_counter import counted_flop  # noqa: E402


@pytest.mark.parametrize(("cell", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_are_counted(cell, gates):
    """Each step of a sequence multiplies input and state by a matrix per gate, forward and back."""
    batch, length, width = 4, 50, 32
    layer = getattr(torch.nn, cell)(width, width, batch_first=True)
    given = torch.randn(batch, length, width, requires_grad=True)
    expected = 3 * 2 * batch * length * gates * width * 2 * width
    assert counted_flop(lambda: layer(given)[0].sum().backward()) == pytest.approx(
        expected, rel=0.01
    )


@pytest.mark.parametrize("groups", [1, 4, 16])
def test_groups_of_a_convolution_are_counted_once(groups):
    layer = torch.nn.Conv2d(16, 16, 3, padding=1, groups=groups, bias=False)
    given = torch.randn(2, 16, 8, 8, requires_grad=True)
    forward = 2 * 2 * 16 * (16 / groups) * 9 * 8 * 8
    assert counted_flop(lambda: layer(given).sum().backward()) == 3 * forward


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_the_formula_of_each_style_is_what_is_counted(style):
    """To one percent: the head of classes, and gradients that the first step need not pass on."""
    engine = TorchEngine("cpu", "cpu")
    shape = style.shapes[1]
    job = engine.styled(style, shape, "fp32")
    assert job.flop == pytest.approx(counted_flop(job.prepare()), rel=0.01)


def test_products_of_experts_are_counted():
    """Each row is multiplied by the matrix of its expert, forward and twice back."""
    rows, experts = torch.randn(48, 16, requires_grad=True), torch.randn(4, 16, 32)
    experts.requires_grad_()
    ends = torch.tensor([8, 16, 40, 48], dtype=torch.int32)
    found = counted_flop(
        lambda: torch._grouped_mm(rows, experts, offs=ends).square().sum().backward()
    )
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
    assert counted_flop(step) > 3 * once
