"""Training in 8 bits: the products are those of a plain network, and so is the slope, nearly."""

import pytest

from estimator.measure.bench.eight_bit import in_eight_bits

torch = pytest.importorskip("torch", reason="needs PyTorch")

from estimator.measure.bench.torch_engine import TorchEngine  # noqa: E402
from estimator.measure.step_counter import counted_step  # noqa: E402


def network():
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64), nn.GELU(), nn.Linear(64, 10)
    )


def slopes(model, given):
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(given).float().square().mean()
    loss.backward()
    return [one.grad for one in model.parameters()]


def test_slopes_are_those_of_the_wide_network_to_a_few_percent():
    given = torch.randn(32, 64)
    wide = slopes(network(), given)
    narrow = slopes(in_eight_bits(torch, network()), given)
    for one, other in zip(narrow, wide, strict=True):
        assert one.dtype == other.dtype
        assert 0 < (one - other).norm() / other.norm() < 0.15


def test_the_last_layer_and_odd_sizes_stay_wide():
    model = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.Linear(32, 16))
    given = torch.randn(16, 10)
    assert torch.equal(in_eight_bits(torch, model)(given), model[1](model[0](given)))


@pytest.mark.parametrize("what", ["decoder", "perceptron"])
def test_steps_have_the_work_that_they_state_and_learn(what):
    engine = TorchEngine("cpu", "cpu")
    job = (
        engine.decoder(2, 64, 64, 8, "fp8")
        if what == "decoder"
        else engine.perceptron(256, 64, "fp8")
    )
    step = job.prepare()
    assert counted_step(step).total_flop == pytest.approx(job.flop)
    first = float(step())
    assert float(step()) < first
