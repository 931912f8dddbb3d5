"""FLOPs per step by PyTorch's counter: against the products of matrices, with the real library."""

import sys

import pytest

from estimator.measure.session import Session


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def step_of(torch, width=32, batch=8):
    network = torch.nn.Linear(width, width, bias=False)
    given = torch.ones(batch, width, requires_grad=True)
    return lambda: network(given).sum().backward()


def test_forward_and_both_gradients_are_three_products(torch):
    session = Session()
    assert session.count_flop(step_of(torch)) == 3 * 2 * 8 * 32 * 32
    assert session.flop == 3 * 2 * 8 * 32 * 32


def test_ranks_share_the_work_and_each_counts_its_own(torch):
    session = Session()
    session.ranks = 4
    assert session.count_flop(step_of(torch)) == 4 * 3 * 2 * 8 * 32 * 32
    reported = Session(devices=16)
    assert reported.count_flop(step_of(torch)) == 16 * 3 * 2 * 8 * 32 * 32


def test_attention_is_counted_whichever_kernel_would_run(torch):
    heads = [torch.ones(2, 4, 16, 8, requires_grad=True) for _ in range(3)]
    attention = torch.nn.functional.scaled_dot_product_attention
    product = 2 * 2 * 4 * 16 * 16 * 8
    counted = Session().count_flop(lambda: attention(*heads).sum().backward())
    assert counted == 3 * 2 * product


def test_a_step_without_products_is_refused(torch):
    session = Session()
    with pytest.raises(ValueError, match="recorded no matrix product"):
        session.count_flop(lambda: torch.ones(3) + 1)
    assert session.flop is None


def test_without_pytorch_that_is_an_import_error(monkeypatch):
    for name in ("torch", "torch.nn.attention", "torch.utils.flop_counter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        Session().count_flop(lambda: None)


@pytest.mark.parametrize("value", ["abc", -5, 0, float("nan"), float("inf"), 1e20])
def test_a_count_that_cannot_be_is_left_out_and_said(value):
    with pytest.warns(UserWarning, match="operations must be a number from 1 to 1e.15, got "):
        session = Session(operations=value, traffic_bytes=1e6)
    assert session.operations is None and session.traffic_bytes == 1e6


@pytest.mark.parametrize("name", ["flop", "params", "tokens", "samples", "devices"])
@pytest.mark.parametrize("value", ["abc", -5, 0, float("nan"), [1e9]])
def test_another_number_that_cannot_be_is_left_out_and_said(name, value):
    with pytest.warns(UserWarning, match=f"{name} must be a number from 1 to 1e.*, got "):
        assert getattr(Session(**{name: value}), name) is None
