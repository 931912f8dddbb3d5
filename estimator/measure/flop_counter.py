"""How many FLOPs has one training step? Counted as PyTorch runs it, recurrent layers included."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from typing import Any


def counted_flop(step: Callable[[], Any]) -> float:
    """FLOPs of matrix products and convolutions while a step runs once [FLOP].

    Fused kernels hide their products from PyTorch's counter: it sees none of an LSTM on a
    processor (oneDNN) nor of any recurrent layer on a board (cuDNN), and not every fast attention.
    While it counts, these run as plain products, which takes longer and gives the same result. The
    backward pass of grouped convolutions, which it counts as if they had one group, is counted by
    `convolution_backward_flop`; products of experts, which it leaves out, by `grouped_flop`.

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


def convolution_backward_flop(
    slope: Sequence[int],
    given: Sequence[int],
    weight: Sequence[int],
    _bias: object,
    _stride: object,
    _padding: object,
    _dilation: object,
    transposed: bool,
    _output_padding: object,
    _groups: int,
    wanted: Sequence[bool],
    **_more: object,
) -> int:
    """FLOPs of the gradients of a convolution: each as many as of the forward pass [FLOP].

    The weight's second size counts the channels of a group, so groups are in it already.

    >>> one_group, each_alone = (8, 8, 3, 3), (8, 1, 3, 3)
    >>> places = (1, 8, 4, 4)
    >>> common = (None, None, None, None, False, None)
    >>> convolution_backward_flop(places, places, one_group, *common, 1, (True, True, False))
    36864
    >>> convolution_backward_flop(places, places, each_alone, *common, 8, (True, True, False))
    4608
    """
    places = given[2:] if transposed else slope[2:]
    forward = 2 * given[0] * math.prod(places) * math.prod(weight)
    return forward * (bool(wanted[0]) + bool(wanted[1]))


def grouped_flop(left: Sequence[int], right: Sequence[int], *_: object, **_more: object) -> int:
    """FLOPs of a product of each group of rows, or of columns, with a matrix of its own [FLOP].

    Rows of `left` are shared out among the matrices of `right`; of two plain matrices the inner
    side is.

    >>> grouped_flop((2048, 192), (4, 192, 1024)), grouped_flop((192, 2048), (2048, 1024))
    (805306368, 805306368)
    """
    return 2 * math.prod(left) * right[-1]


class _NoModules(AbstractContextManager[None]):
    """Stands for the counter's account of modules, which refuses gradients of gradients."""

    parents = ("Global",)

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Attention, LSTM and GRU as products that the counter sees."""
    torch: Any = import_module("torch")
    attention: Any = import_module("torch.nn.attention")
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(attention.sdpa_kernel(attention.SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield
