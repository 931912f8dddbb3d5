"""Benchmark work on PyTorch: products, vector sums, training steps.

PyTorch is optional. Training steps are those of a decoder, a residual network and a perceptron
(`small_networks`) in eager mode. Twelve further networks (recurrent, depthwise, U-Net, vision
transformers, other norms) were dropped. Without them, median errors for 129 programs recorded on
two boards are 32% instead of 28% after the benchmark, 52% instead of 57% if the step size is
unknown as well, and 26% instead of 25% after the benchmark and the other programs.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from estimator.measure.bench import small_networks
from estimator.measure.bench.eight_bit import in_eight_bits
from estimator.measure.bench.small_networks import (
    CLASSES,
    DEPTH,
    STAGES,
    VOCABULARY,
    convolution_work,
    decoder_flop,
)
from estimator.measure.bench.workloads import (
    Job,
    matrix_flop,
    perceptron_flop,
    vector_sums,
)
from estimator.measure.step_counter import Operations, counted_step
from estimator.runs.record import MeasuredDevice

MATRIX_SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
VECTOR_SIZES = (100_000, 1_000_000, 20_000_000, 200_000_000)

DECODERS = (
    # layers, width, sequence length, batch
    *((2, 64, 64, 8), (2, 128, 64, 8), (2, 128, 128, 8), (4, 192, 128, 8), (4, 256, 256, 8)),
    *((6, 384, 256, 8), (8, 512, 512, 8), (12, 768, 512, 8), (12, 768, 1024, 16)),
    *((16, 1024, 1024, 16), (24, 1536, 1024, 16), (24, 2048, 2048, 16)),
)

CONVOLUTIONS = (
    # channels of the first stage, edge of the picture, batch
    *((8, 32, 8), (16, 32, 8), (16, 32, 16), (32, 32, 16), (32, 48, 16), (64, 48, 16)),
    *((64, 64, 32), (64, 128, 32), (64, 224, 32), (64, 224, 128), (128, 224, 128)),
)

PERCEPTRONS = (
    # width, batch of the perceptrons of four layers
    *((256, 64), (256, 256), (512, 512), (1024, 1024), (2048, 2048), (4096, 4096)),
    *((8192, 8192), (16384, 8192)),
)

ADAM_AND_GRADIENT_BYTES = 16.0
"""Bytes per parameter in training: weight, gradient and two moments in fp32 [B]."""

ACTIVATIONS = 24.0
"""Approximate activations per stream value and layer, to check that it fits [1]."""

Factory = Callable[[], Callable[[], object]]


def installed() -> bool:
    """Return whether PyTorch is installed, without importing it."""
    return importlib.util.find_spec("torch") is not None


def boards(devices: Sequence[MeasuredDevice]) -> dict[str, str]:
    """Key of each NVIDIA board usable by PyTorch -> its PyTorch index.

    PyTorch counts visible boards, the driver all; UUIDs match them.
    """
    cuda: Any = importlib.import_module("torch").cuda
    if not cuda.is_available():
        return {}
    known = {str(one.uuid).removeprefix("GPU-"): one.key for one in devices if one.uuid}
    found: dict[str, str] = {}
    for at in range(cuda.device_count()):
        uuid = str(cuda.get_device_properties(at).uuid)
        found[known.get(uuid, f"gpu:{at}")] = f"cuda:{at}"
    return found


class TorchEngine:
    """Engine that runs jobs on one device through PyTorch.

    Parameters
    ----------
    place : str
        "cpu", or "cuda:0" and so on, as PyTorch counts.
    """

    def __init__(self, place: str, component: str) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._torch.manual_seed(0)
        self.place = place
        self.component = component

    def matrix(self) -> list[Job]:
        """Matrix products, by precision, from small to large."""
        return [
            Job(
                what="matrix",
                label=f"product of {size} x {size}, PyTorch",
                precision=precision,
                prepare=partial(self._product, size, precision),
                flop=matrix_flop(size),
                held_bytes=3.0 * size**2 * 4,
            )
            for precision in self._precisions()
            for size in MATRIX_SIZES
        ]

    def copies(self) -> list[Job]:
        """Vector sums, from cache sizes to main memory."""
        return vector_sums(VECTOR_SIZES, "PyTorch", self._sum)

    def training(self) -> list[Job]:
        """Training steps by precision and family, from small to large."""
        jobs: list[Job] = []
        for precision in self._precisions():
            jobs += [self.decoder(*shape, precision) for shape in DECODERS]
            if precision != "fp8":
                jobs += [self.convolution(*shape, precision) for shape in CONVOLUTIONS]
            jobs += [self.perceptron(*shape, precision) for shape in PERCEPTRONS]
        return jobs

    def finish(self) -> None:
        """Wait until the device is done."""
        if self.place != "cpu":
            self._torch.cuda.synchronize(self.place)

    def operations(self, step: Callable[[], object]) -> Operations | None:
        """Return the operations of a step besides its products, or None if unknown."""
        return counted_step(step).operations

    def _precisions(self) -> list[str]:
        """Number formats, the most common for training first."""
        if self.place == "cpu":
            return ["fp32", "bf16"]
        major, minor = self._torch.cuda.get_device_capability(self.place)
        found = ["bf16", "tf32"] if major >= 8 else []
        found += ["fp16"] if major >= 7 else []
        found += ["fp8"] if (major, minor) >= (8, 9) else []
        return [*found, "fp32"]

    def _product(self, size: int, precision: str) -> Callable[[], object]:
        torch = self._torch
        if precision == "fp8":
            return self._eight_bit_product(size)
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        left, right = (torch.randn(size, size, device=self.place, dtype=dtype) for _ in range(2))

        def work() -> object:
            self._allow_tf32(precision)
            return left @ right

        return work

    def _eight_bit_product(self, size: int) -> Callable[[], object]:
        torch = self._torch
        left, right = (torch.randn(size, size, device=self.place) for _ in range(2))
        left, right = (one.to(torch.float8_e4m3fn) for one in (left, right))
        one = torch.tensor(1.0, device=self.place)
        return lambda: torch._scaled_mm(
            left, right.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16
        )

    def _sum(self, size: int) -> Callable[[], object]:
        torch = self._torch
        left, right = (torch.randn(size, device=self.place) for _ in range(2))
        out = torch.empty_like(left)
        return lambda: torch.add(left, right, out=out)

    def _allow_tf32(self, precision: str) -> None:
        if self.place != "cpu":
            self._torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
            self._torch.backends.cudnn.allow_tf32 = precision == "tf32"

    def decoder(self, layers: int, width: int, length: int, batch: int, precision: str) -> Job:
        """Training step of a decoder on a batch of sequences."""
        params = 12.0 * layers * width**2 + (4.0 * layers + 2 + length + 2 * VOCABULARY) * width
        tokens = float(batch * length)
        return Job(
            what="training",
            label=f"decoder of {layers} layers, width {width}, {batch} x {length} tokens, PyTorch",
            precision=precision,
            prepare=self._step(
                partial(small_networks.decoder, self._torch, layers, width, length),
                partial(self._words, batch, length),
                precision,
            ),
            flop=decoder_flop(layers=layers, width=width, length=length, batch=batch),
            held_bytes=ADAM_AND_GRADIENT_BYTES * params
            + 4.0 * tokens * (ACTIVATIONS * layers * width + 3 * VOCABULARY),
            kind="language",
            arch="dense decoder",
            style="decoder, fused attention",
            params=params,
            hidden=float(width),
            seq_len=float(length),
            tokens=tokens,
        )

    def convolution(self, channels: int, edge: int, batch: int, precision: str) -> Job:
        """Training step of a residual network on a batch of square images."""
        flop, params = convolution_work(channels=channels, edge=edge, batch=batch)
        return Job(
            what="training",
            label=f"residual network of {channels} channels, {batch} x {edge} x {edge}, PyTorch",
            precision=precision,
            prepare=self._step(
                partial(small_networks.residual_network, self._torch, channels),
                partial(self._pictures, batch, edge),
                precision,
            ),
            flop=flop,
            held_bytes=ADAM_AND_GRADIENT_BYTES * params
            + 4.0 * 16 * STAGES * batch * channels * edge**2,
            kind="vision",
            arch="residual CNN",
            style="residual blocks",
            params=params,
            samples=float(batch),
        )

    def perceptron(self, width: int, batch: int, precision: str) -> Job:
        """Training step of a perceptron of square layers."""
        params = float(DEPTH * width**2)
        return Job(
            what="training",
            label=f"perceptron of {DEPTH} layers, width {width}, batch {batch}, PyTorch",
            precision=precision,
            prepare=self._step(
                partial(small_networks.perceptron, self._torch, width),
                partial(self._vectors, batch, width),
                precision,
            ),
            flop=perceptron_flop(width, DEPTH, batch),
            held_bytes=ADAM_AND_GRADIENT_BYTES * params + 4.0 * 4 * DEPTH * batch * width,
            kind="other",
            arch="perceptron",
            style="plain perceptron",
            params=params,
            hidden=float(width),
            samples=float(batch),
        )

    def _step(
        self,
        network: Callable[[], Any],
        data: Callable[[], tuple[Any, Any]],
        precision: str,
    ) -> Factory:
        """Prepare a training step: forward, loss, backward, optimizer."""
        torch = self._torch
        around = "bf16" if precision == "fp8" else precision
        cast = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(around)
        device = self.place.partition(":")[0]

        def prepare() -> Callable[[], object]:
            model = network().to(self.place)
            if precision == "fp8":
                model = in_eight_bits(torch, model)
            fused = device == "cuda"
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)
            given, wanted = data()

            def step() -> object:
                self._allow_tf32(precision)
                with torch.autocast(device, dtype=cast, enabled=cast is not None):
                    loss = _loss(torch, model(given), wanted)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                return loss.detach()

            return step

        return prepare

    def _words(self, batch: int, length: int) -> tuple[Any, Any]:
        shape = (batch, length)
        draw = self._torch.randint
        return tuple(draw(VOCABULARY, shape, device=self.place) for _ in range(2))

    def _pictures(self, batch: int, edge: int) -> tuple[Any, Any]:
        torch = self._torch
        given = torch.randn(batch, 3, edge, edge, device=self.place)
        return given, torch.randint(CLASSES, (batch,), device=self.place)

    def _vectors(self, batch: int, width: int) -> tuple[Any, Any]:
        return tuple(self._torch.randn(batch, width, device=self.place) for _ in range(2))


def _loss(torch: Any, found: Any, wanted: Any) -> Any:
    """Cross entropy of classes, or mean squared error of vectors."""
    if wanted.dtype == torch.int64:
        return torch.nn.functional.cross_entropy(found.flatten(0, -2), wanted.flatten())
    return torch.nn.functional.mse_loss(found.float(), wanted)
