"""FLOPs of one training step, counted by PyTorch, recurrent layers included."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from typing import Any

from estimator.measure.step_counter import convolution_backward_flop, grouped_flop


def counted_flop(step: Callable[[], Any]) -> float:
    """Count FLOPs of matrix products and convolutions while a step runs once [FLOP].

    Fused kernels hide products from PyTorch's counter: LSTMs on CPUs (oneDNN), all recurrent layers
    on GPUs (cuDNN), and some fast attention. While counting, these run as plain products, slower
    with the same result. `convolution_backward_flop` replaces its count of grouped convolutions'
    backward pass, which ignores groups, and `grouped_flop` adds products of experts, which it
    omits.

    Raises
    ------
    ImportError
        Without PyTorch.
    ValueError
        If it counted nothing.
    """
    torch: Any = import_module("torch")
    counting: Any = import_module("torch.utils.flop_counter")
    corrected: dict[Any, Callable[..., int]] = {
        torch.ops.aten.convolution_backward: convolution_backward_flop
    }
    if hasattr(torch.ops.aten, "_grouped_mm"):
        corrected[torch.ops.aten._grouped_mm] = grouped_flop
    counter = counting.FlopCounterMode(display=False, custom_mapping=corrected)
    counter.mod_tracker = _NoModules()
    with _plain_kernels(), counter:
        step()
    counted = float(counter.get_total_flops())
    if counted <= 0:
        raise ValueError("the counter saw no product of matrices in this step")
    return counted


class _NoModules(AbstractContextManager[None]):
    """Stand-in for the counter's module tracking, which refuses second derivatives."""

    parents = ("Global",)

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Run attention, LSTM and GRU as products that the counter sees."""
    torch: Any = import_module("torch")
    attention: Any = import_module("torch.nn.attention")
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(attention.sdpa_kernel(attention.SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield
