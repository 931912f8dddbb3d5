"""FLOPs, operations and memory traffic of one training step, counted as it runs.

Activations, norms, dropout, residual sums, losses, the optimizer and products of small matrices are
memory-bound, and an eager framework takes microseconds to dispatch each operation. Programs of one
kind and step size differ most in these.

Standalone, as the hook of `calibrate forecast` loads it into programs whose Python may lack Twenty
Watts; counting does not change what runs.
"""

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import FrameType
from typing import Any

UNTOUCHED = (
    *("empty", "new_empty", "detach", "lift", "alias", "_unsafe_view", "_local_scalar_dense"),
    "set_",
)
"""Name prefixes of operations that neither read nor write a tensor's values."""

FILLS = (
    *("zero_", "fill_", "zeros", "ones", "full", "normal_", "uniform_", "random_", "bernoulli_"),
    *("rand", "arange", "_foreach_zero_", "new_zeros", "new_ones", "new_full"),
)
"""Name prefixes of operations that only write."""

LOOKUPS = ("embedding", "index_select", "gather", "index")
"""Operations that read as much as they return, whatever the table size."""

COMPILED = tuple(
    f"_TorchDynamoContext.__call__.<locals>.{name}" for name in ("compile_wrapper", "_fn")
)
"""Names of the code that `torch.compile` puts in place of a function, now and up to PyTorch 2.6."""

ELSEWHERE = ("c10d", "_c10d_functional", "prim", "profiler")
"""Namespaces of operations that move values between devices or not at all."""


FORMATS = {
    "torch.float32": "fp32",
    "torch.float64": "fp64",
    "torch.bfloat16": "bf16",
    "torch.float16": "fp16",
}
"""Type of numbers -> number format, for products not rounded by tensor cores."""

TENSOR_FLOAT, EIGHT_BIT = "tf32", "fp8"
PRECISIONS = (*FORMATS.values(), TENSOR_FLOAT, EIGHT_BIT)
"""Number formats that products are counted in."""

FORWARD = ("sum of maps", "cat of maps", "sum by edge")
"""Network features seen before gradients and map-sized weights are summed."""

SUMS_BY_EDGE = ("index_add", "scatter_add", "scatter_reduce")
"""Name prefixes of operations that sum over the edges of a graph."""

CELLS = {0: "RNN", 1: "RNN", 2: "LSTM", 3: "GRU"}
"""Number of a recurrent layer in the fused kernels -> its name."""

KNOWN_NAMESPACES = ("aten", "prims", "torchvision", "torchaudio", *ELSEWHERE)
"""Namespaces of operations with known products; others may contain some."""

PRODUCTS_UNKNOWN = (
    *("linalg_", "fft_", "trilinear", "cdist_forward", "native_multi_head_attention"),
    *("transformer_encoder_layer_fwd", "weight_int", "sparse_", "cholesky", "lu_", "svd"),
    *("triangular_solve", "dyn_quant_matmul", "scaled_grouped_mm", "mixed_dtypes_linear"),
)
"""Name prefixes of operations that contain products without a known formula."""

MOST_SHARE = 0.5
"""Share of the FLOPs above which a format is the step's [1]."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Operations of a step.

    Parameters
    ----------
    count : float
        Operations that are dispatched one by one, products among them [1].
    traffic_bytes : float
        What they read and write [B].
    """

    count: float
    traffic_bytes: float


@dataclass(kw_only=True)
class StepCounts:
    """Counts so far.

    Parameters
    ----------
    count, traffic_bytes : float
        As in `Operations`.
    flop : dict of str to float
        FLOPs of products by number format [FLOP].
    products : dict of str to float
        The same by sort: "convolution", "depthwise", both also "in time", "recurrent LSTM",
        "attention", "batched" of matrices in pairs, "product" [FLOP].
    seen : dict of str to int
        How often each operation ran, and what tells of a network: "depthwise", "transposed",
        "causal", "sum of maps", "cat of maps", "sum by edge" [1].
    forward : bool
        Whether no gradient was computed yet.
    hidden : list of str
        Why the operations that run are others than those that were seen.
    missed : list of str
        Operations that may hold products that were not seen.
    """

    count: float = 0.0
    traffic_bytes: float = 0.0
    flop: dict[str, float] = field(default_factory=dict)
    products: dict[str, float] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    forward: bool = True
    hidden: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def operations(self) -> Operations | None:
        """Operations and memory traffic, or None if anything was missed.

        This includes compiled parts, which fuse operations, and steps under a C-level profiler,
        where compilation cannot be detected.
        """
        if self.hidden or self.missed or not self.traffic_bytes:
            return None
        return Operations(count=self.count, traffic_bytes=self.traffic_bytes)

    @property
    def total_flop(self) -> float:
        """FLOPs in all formats [FLOP]."""
        return sum(self.flop.values())

    @property
    def precision(self) -> str | None:
        """Number format of most FLOPs, or None."""
        name = max(self.flop, key=self.flop.__getitem__, default="")
        return name if self.flop.get(name, 0.0) > MOST_SHARE * self.total_flop else None


def counted_step(step: Callable[[], Any]) -> StepCounts:
    """Run a step once as it is, and count what it does.

    Every operation that PyTorch dispatches reads its arguments and writes its results, a repeated
    (stride 0) dimension once; products, convolutions and fused kernels count by their FLOPs, and
    views do nothing. What the caches save, what the allocator does, and other threads are left out.
    """
    counts = StepCounts()
    with _compiled_calls(counts.hidden), _counter(counts):
        step()
    return counts


class CannotCountError(Exception):
    """Reason why the work of a step cannot be counted."""


class Counting:
    """Counting of this thread's operations between two calls, for programs that are not ours."""

    def __init__(self) -> None:
        """Start counting; compiled code runs uncompiled until the end.

        Raises
        ------
        CannotCountError
            Where that would change what the program does.
        """
        torch: Any = import_module("torch")
        if _current_mode() is not None or sys.getprofile() is not None:
            raise CannotCountError("an active PyTorch mode or profiler")
        if not hasattr(torch.compiler, "set_stance"):
            raise CannotCountError(f"PyTorch {torch.__version__}")
        dynamo: Any = sys.modules.get("torch._dynamo.utils")
        if dynamo is not None and dynamo.counters["frames"].get("total"):
            raise CannotCountError("code compiled by torch.compile")
        self.counts = StepCounts()
        self._thread = threading.get_ident()
        self._counter = _counter(self.counts)
        with ExitStack() as stack:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(_compiled_calls(self.counts.hidden))
            self._counter.__enter__()
            self._stack = stack.pop_all()

    def end(self) -> bool:
        """Stop counting, or return False if that must wait.

        It must wait in a different thread, and while another PyTorch mode that began since is
        active. Until then the counter stays and does nothing.
        """
        self._counter.counts = None
        if threading.get_ident() != self._thread:
            return False
        self._stack.close()
        if _current_mode() is not self._counter:
            return False
        self._counter.__exit__(None, None, None)
        return True


def _current_mode() -> Any:
    """Innermost PyTorch dispatch mode, or None."""
    return import_module("torch.utils._python_dispatch")._get_current_dispatch_mode()


def _counter(counts: StepCounts) -> Any:
    """PyTorch mode that counts every operation."""
    torch: Any = import_module("torch")
    dispatch: Any = import_module("torch.utils._python_dispatch")
    overload: Any = import_module("torch._ops").OpOverload
    formulas = flop_formulas()

    class Counter(dispatch.TorchDispatchMode):  # type: ignore[misc]
        """Counter of every operation while it is active."""

        supports_higher_order_operators = True
        counts: StepCounts | None

        def __torch_dispatch__(
            self, operation: Any, types: Any, args: Any = (), named: Any = None
        ) -> Any:
            """Run one operation, and count it."""
            named = named or {}
            if self.counts is None or any(one.__name__ == "FakeTensor" for one in types):
                return operation(*args, **named)
            known = isinstance(operation, overload)
            formula = formulas.get(operation._overloadpacket) if known else None
            if known and formula is None and torch.is_inference_mode_enabled() and not types:
                with self:  # of operations that others make up, which only here are seen, these
                    found = operation.decompose(*args, **named)
                if found is not NotImplemented:
                    return found
            found = operation(*args, **named)
            try:
                if known and (formula or _holds_no_product(operation)):
                    _count(self.counts, operation, formula, args, named, found)
                else:
                    self.counts.missed.append(str(operation))
            except Exception:  # noqa: BLE001 - what is counted runs on, whatever fails here
                self.counts.missed.append(str(operation))
            return found

    counter = Counter()
    counter.counts = counts
    return counter


def _holds_no_product(operation: Any) -> bool:
    """Return whether an operation without a formula contains no product."""
    name = _name(operation).lstrip("_")
    named = name.startswith(PRODUCTS_UNKNOWN) and not name.startswith("linalg_vector_norm")
    return operation.namespace in KNOWN_NAMESPACES and not named


def _count(
    counts: StepCounts,
    operation: Any,
    formula: Callable[..., int] | None,
    args: Sequence[Any],
    named: dict[str, Any],
    found: Any,
) -> None:
    """Count one operation that has run."""
    if not does_something(operation):
        return
    counts.count += 1.0
    given = [*args, *named.values()]
    counts.forward &= "_backward" not in _name(operation)
    for mark in marks_of(operation, args, named):
        if counts.forward or mark not in FORWARD:
            counts.seen[mark] = counts.seen.get(mark, 0) + 1
    counts.traffic_bytes += moved_bytes(operation, given, found)
    if formula is None:
        return
    tensors = list(_tensors(given))
    if any(one.is_complex() or not _is_dense(one) for one in tensors):
        raise ValueError("products of complex or sparse matrices have other formulas")
    precision = _format_of(operation, tensors[0])
    flop = float(formula(*args, **named, out_val=found))
    counts.flop[precision] = counts.flop.get(precision, 0.0) + flop
    sort = sort_of(operation, args, named)
    counts.products[sort] = counts.products.get(sort, 0.0) + flop


def marks_of(operation: Any, args: Sequence[Any], named: dict[str, Any]) -> Iterator[str]:
    """Yield an operation's features for network recognition; see `StepCounts.seen`."""
    name = _name(operation)
    yield name
    if name == "convolution":
        if _is_depthwise(args, 0):
            yield "depthwise"
        if args[6]:
            yield "transposed"
    elif name in ("add", "add_") and len(args) > 1 and _maps(args[:2]):
        yield "sum of maps"
    elif name == "cat" and _maps(args[0]):
        yield "cat of maps"
    elif name.startswith(SUMS_BY_EDGE):
        yield "sum by edge"
    elif _is_causal(operation, args, named):
        yield "causal"


def sort_of(operation: Any, args: Sequence[Any], named: dict[str, Any]) -> str:
    """Type of a product, see `StepCounts.products`."""
    name = _name(operation)
    if name in ("convolution", "convolution_backward"):
        back = int(name == "convolution_backward")
        sort = "depthwise" if _is_depthwise(args, back) else "convolution"
        _channels, _of_group, *places = args[1 + back].shape
        if len(places) != 1:
            return sort
        return "product" if places == [1] else f"{sort} in time"
    if "rnn" in name:
        return (
            f"recurrent {CELLS.get(_named_arguments(operation, args, named).get('mode', 0), 'RNN')}"
        )
    if "attention" in name:
        return "attention"
    return "batched" if "bmm" in name else "product"


def _named_arguments(operation: Any, args: Sequence[Any], named: dict[str, Any]) -> dict[str, Any]:
    """Arguments of an operation by name."""
    names = (one.name for one in operation._schema.arguments)
    return {**dict(zip(names, args, strict=False)), **named}


def _is_depthwise(args: Sequence[Any], back: int) -> bool:
    """Return whether a convolution is depthwise; in the backward pass, its slope comes first.

    The backward pass has bias sizes in place of the bias, so the other arguments shift by one.
    """
    weight, groups = args[1 + back], args[8 + back]
    return bool(groups > 1 and weight.shape[1] == 1)


def _is_causal(operation: Any, args: Sequence[Any], named: dict[str, Any]) -> bool:
    """Return whether attention is causal."""
    name = _name(operation)
    if name in ("masked_fill", "masked_fill_", "where"):
        return any(map(_is_square, args[:2]))
    return "attention" in name and bool(_named_arguments(operation, args, named).get("is_causal"))


def _is_square(mask: Any) -> bool:
    """Return whether it is a mask over pairs of positions."""
    shape: Sequence[int] = getattr(mask, "shape", ())
    masks = str(getattr(mask, "dtype", "")) == "torch.bool"
    return masks and len(shape) >= 2 and shape[-1] == shape[-2] > 1


def _maps(values: Sequence[Any]) -> bool:
    """Return whether these are feature maps: tensors with channels and two or more dimensions."""
    return all(hasattr(one, "dim") and one.dim() >= 4 for one in values)


def _format_of(operation: Any, first: Any) -> str:
    """Number format of a product, empty if unnamed here."""
    found = FORMATS.get(str(first.dtype), EIGHT_BIT if "float8" in str(first.dtype) else "")
    if found == "fp32" and first.device.type == "cuda":
        torch: Any = import_module("torch")
        backend = torch.backends.cudnn if "conv" in _name(operation) else torch.backends.cuda.matmul
        found = TENSOR_FLOAT if backend.allow_tf32 else found
    return found


def flop_formulas() -> dict[Any, Callable[..., int]]:
    """FLOP formulas of all products that PyTorch dispatches, by operation.

    PyTorch's own, except: gradients of grouped convolutions, which it counts without groups;
    products of experts, recurrent layers and CPU attention kernels, which it omits; and gradients
    of fused attention, without recomputed products.
    """
    counting: Any = import_module("torch.utils.flop_counter")
    counter: Any = counting.FlopCounterMode(display=False, custom_mapping=_formulas_of_ours())
    found: dict[Any, Callable[..., int]] = counter.flop_registry
    return found


def _formulas_of_ours() -> dict[Any, Callable[..., int]]:
    aten: Any = import_module("torch").ops.aten
    recurrent: dict[str, Callable[..., int]] = {
        "mkldnn_rnn_layer": mkldnn_flop,
        "_cudnn_rnn": rnn_flop,
        "miopen_rnn": rnn_flop,
    }
    kernels = ("flash_attention", "efficient_attention", "cudnn_attention")
    attention = [f"_scaled_dot_product_{one}" for one in (*kernels, "flash_attention_for_cpu")]
    formulas: dict[str, Callable[..., int]] = {
        "convolution_backward": convolution_backward_flop,
        "_grouped_mm": grouped_flop,
        **dict.fromkeys(("mv", "_int_mm"), matrix_flop),
        **dict.fromkeys(("addmv", "addbmm"), _after_the_first(matrix_flop)),
        **dict.fromkeys(("dot", "vdot"), lambda left, *_, **_more: 2 * math.prod(left)),
        **recurrent,
        **{f"{name}_backward": _twice(formula) for name, formula in recurrent.items()},
        **dict.fromkeys(attention, attention_flop),
        **{f"{name}_backward": _twice(_after_the_first(attention_flop)) for name in attention},
    }
    return {
        getattr(aten, name): formula for name, formula in formulas.items() if hasattr(aten, name)
    }


def _twice(formula: Callable[..., int]) -> Callable[..., int]:
    """Formula for the gradients of both factors of each product."""
    return lambda *args, **named: 2 * formula(*args, **named)


def _after_the_first(formula: Callable[..., int]) -> Callable[..., int]:
    """Formula that skips the first argument, a slope or an addend."""
    return lambda _first, *args, **named: formula(*args, **named)


def matrix_flop(left: Sequence[int], right: Sequence[int], *_: object, **_more: object) -> int:
    """FLOPs of a matrix product, batched or with a vector [FLOP].

    >>> matrix_flop((64, 32), (32,)), matrix_flop((8, 64, 32), (8, 32, 16))
    (4096, 524288)
    """
    return 2 * math.prod(left) * (right[-1] if len(right) > 1 else 1)


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
    """FLOPs of a convolution's gradients, each as many as the forward pass [FLOP].

    The weight's second size is per group, so groups are included.

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
    """FLOPs of grouped products, each group of rows or columns with its own matrix [FLOP].

    Rows of `left` are divided among the matrices of `right`; for two plain matrices the inner side
    is.

    >>> grouped_flop((2048, 192), (4, 192, 1024)), grouped_flop((192, 2048), (2048, 1024))
    (805306368, 805306368)
    """
    return 2 * math.prod(left) * right[-1]


def attention_flop(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **_more: object
) -> int:
    """FLOPs of all pairs' scores and the weighted sums [FLOP].

    Shapes are batch, heads, length, width; masks are ignored.

    >>> attention_flop((2, 4, 128, 64), (2, 4, 256, 64), (2, 4, 256, 32))
    50331648
    """
    *pairs, width = query
    return 2 * math.prod(pairs) * key[-2] * (width + value[-1])


def mkldnn_flop(
    given: Sequence[int], by_input: Sequence[int], by_state: Sequence[int], *_: object, **_m: object
) -> int:
    """FLOPs of one direction of a recurrent layer in oneDNN [FLOP]: rows times two matrices.

    >>> mkldnn_flop((50, 4, 32), (128, 32), (128, 32))
    3276800
    """
    return rnn_flop(given, [by_input, by_state])


def rnn_flop(
    given: Sequence[int], weights: Sequence[Sequence[int]], *_: object, **_more: object
) -> int:
    """FLOPs of recurrent layers in cuDNN [FLOP]: each input row times every matrix.

    >>> rnn_flop((50, 4, 32), [(128, 32), (128, 32), (128,), (128,)])
    3276800
    """
    matrices = sum(math.prod(shape) for shape in weights if len(shape) == 2)
    return 2 * math.prod(given[:-1]) * matrices


def does_something(operation: Any) -> bool:
    """Return whether an operation reads or writes a tensor's values."""
    if operation.namespace in ELSEWHERE or operation.is_view:
        return False
    return not _name(operation).startswith(UNTOUCHED)


def moved_bytes(operation: Any, given: list[Any], found: Any) -> float:
    """Return the bytes read and written by an operation [B]."""
    name = _name(operation)
    written = _held_bytes(found) or _held_bytes(
        [
            value
            for value, argument in zip(given, operation._schema.arguments, strict=False)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
    )
    if name.startswith(FILLS):
        return written
    return written + (written if name in LOOKUPS else _held_bytes(given))


def _name(operation: Any) -> str:
    name: str = operation._schema.name.rpartition("::")[2]
    return name


def _held_bytes(values: Any) -> float:
    """Memory of the dense tensors in nested values [B]."""
    total = 0.0
    for one in _tensors(values):
        tensor = getattr(one, "_local_tensor", one)
        if _is_dense(tensor):
            numbers = 1.0
            for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
                numbers *= size if stride else min(size, 1)
            total += numbers * tensor.element_size()
    return total


def _tensors(values: Any) -> Iterator[Any]:
    """Tensors in nested values."""
    torch: Any = import_module("torch")
    leaves: Any = import_module("torch.utils._pytree").tree_leaves
    return (one for one in leaves(values) if isinstance(one, torch.Tensor))


def _is_dense(tensor: Any) -> bool:
    return str(tensor.layout) == "torch.strided"


@contextmanager
def _compiled_calls(found: list[str]) -> Iterator[None]:
    """Record the names of `torch.compile` functions that are called.

    While operations are counted, PyTorch silently runs these uncompiled.
    """

    def look(frame: FrameType, event: str, _value: Any) -> None:
        if over:
            sys.setprofile(None)
        elif event == "call" and frame.f_code.co_qualname in COMPILED:
            found.append(frame.f_code.co_qualname)

    before: Any = sys.getprofile()
    over = False
    if before is not None and not callable(before):
        found.append("a profiler of C code runs, and could not be set again")
        yield
        return
    sys.setprofile(look)
    try:
        yield
    finally:
        if sys.getprofile() is look:  # else somebody else began to look meanwhile
            sys.setprofile(before)
        over = True
