"""Training programs as people write them for one large board, none of them of `calibrate bench`.

Sizes fill a board of 80 GB partly; steps take between 5 ms and half a second on an H100.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
import transformers
from torch import nn

from estimator.measure.step_counter import counted_step
from estimator.measure.training_run import measure
from tests.benchmarks.training import torch_programs as t

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16}

Batch = Callable[[], tuple[Any, ...]]
Loss = Callable[..., torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class BoardProgram:
    """A training program on a board.

    Parameters
    ----------
    name, kind, arch, precision : str
        As a user says them.
    build : callable
        Makes the network.
    batch : callable
        Makes a batch.
    loss : callable
        Loss of network and batch.
    more : dict
        Options of `stepped`.
    """

    name: str
    kind: str
    arch: str
    precision: str
    build: Callable[[], nn.Module]
    batch: Batch
    loss: Loss
    more: dict[str, bool]


def stepped(
    program: BoardProgram,
    *,
    pure: bool = False,
    compiled: bool = False,
    last: bool = False,
    checkpointed: bool = False,
) -> Callable[[], float]:
    """Step of a usual loop, whose loss is read at each step, as loops that show it do.

    Parameters
    ----------
    program : BoardProgram
    pure : bool
        Weights in the format of the products, without autocast.
    compiled : bool
        By `torch.compile`.
    last : bool
        Channels last in memory.
    checkpointed : bool
        Activations are recomputed in the backward pass (transformers only).
    """
    dtype = DTYPES.get(program.precision)
    model = program.build()
    if checkpointed:
        model.gradient_checkpointing_enable()  # type: ignore[operator]
    if pure:
        model = model.to(dtype)
    if last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=pure or last)
    scaler = torch.amp.GradScaler(enabled=program.precision == "fp16" and not pure)
    fixed = program.batch()
    ran = torch.compile(model) if compiled else model

    def step() -> float:
        given = fixed
        if last:
            given = (fixed[0].to(memory_format=torch.channels_last), *fixed[1:])
        with torch.autocast(
            torch.get_default_device().type, dtype=dtype, enabled=dtype is not None and not pure
        ):
            error = program.loss(ran, *given)
        scaler.scale(error).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return float(error.detach())

    return step


def own_loss(model: nn.Module, tokens: Any) -> torch.Tensor:
    """Loss that a network of transformers computes itself."""
    found: torch.Tensor = model(input_ids=tokens, labels=tokens).loss
    return found


def programs(scale: float = 1.0) -> list[BoardProgram]:
    """All programs; batches smaller by `scale` for a trial on a small machine."""

    def some(batch: int) -> int:
        return max(2, round(batch * scale))

    def words(batch: int, length: int, vocabulary: int) -> Batch:
        return lambda: (torch.randint(vocabulary, (some(batch), length)),)

    def pictures(batch: int, edge: int, classes: int = 1000) -> Batch:
        return t.pictures(some(batch), edge, classes)

    def llama(width: int, layers: int, heads: int, inner: int) -> Callable[[], nn.Module]:
        config = transformers.LlamaConfig(
            vocab_size=32000,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 4,
            intermediate_size=inner,
        )
        return lambda: transformers.LlamaForCausalLM(config)

    def gpt2() -> nn.Module:
        return transformers.GPT2LMHeadModel(transformers.GPT2Config())

    def bert() -> nn.Module:
        return transformers.BertForMaskedLM(transformers.BertConfig())

    def t5() -> nn.Module:
        config = transformers.T5Config(
            d_model=512, num_layers=6, num_heads=8, d_ff=2048, decoder_start_token_id=0
        )
        return transformers.T5ForConditionalGeneration(config)

    llama_1b, seen = llama(2048, 20, 32, 5632), torchvision.models
    text = ("language", "decoder")
    encoder, both = ("language", "encoder"), ("language", "encoder-decoder transformer")
    rows: tuple[tuple[Any, ...], ...] = (
        # name, kind and architecture, formats, network, batch, loss, options of the step
        ("GPT-2 of 124M", text, ("bf16", "fp32"), gpt2, words(16, 1024, 50257), own_loss),
        ("GPT-2 of 124M, small batch", text, ("fp16",), gpt2, words(4, 256, 50257), own_loss),
        (
            "GPT-2 of 124M, compiled",
            *(text, ("bf16",), gpt2, words(16, 1024, 50257), own_loss, {"compiled": True}),
        ),
        (
            "Llama of 1.2B, bf16 weights",
            *(text, ("bf16",), llama_1b, words(4, 2048, 32000), own_loss, {"pure": True}),
        ),
        (
            "Llama of 1.2B, recomputed",
            *(text, ("bf16",), llama_1b, words(4, 2048, 32000), own_loss),
            {"checkpointed": True, "pure": True},
        ),
        (
            "GPT, naive attention",
            *(text, ("bf16", "tf32"), lambda: t.MinimalGpt(8000, 1024, 8, 16, 513)),
            *(words(16, 513, 8000), t.next_word),
        ),
        (
            "Llama, own writing",
            *(text, ("bf16", "fp16"), lambda: t.LlamaLike(32000, 1024, 12, 8)),
            *(words(8, 1025, 32000), t.next_word),
        ),
        ("BERT base", encoder, ("bf16", "tf32"), bert, words(64, 128, 30522), own_loss),
        ("T5 small", both, ("bf16",), t5, words(32, 256, 32000), own_loss),
        (
            "ResNet-50, channels last",
            *(("vision", "ResNet"), ("bf16", "fp16"), seen.resnet50, pictures(128, 224)),
            *(t.class_error, {"last": True}),
        ),
        (
            "ResNet-50",
            *(("vision", "ResNet"), ("tf32", "fp32"), seen.resnet50, pictures(64, 224)),
            t.class_error,
        ),
        (
            "MobileNet v3",
            *(("vision", "MobileNet"), ("bf16",), seen.mobilenet_v3_large, pictures(256, 224)),
            t.class_error,
        ),
        (
            "ConvNeXt tiny",
            *(("vision", "ConvNeXt"), ("bf16",), seen.convnext_tiny, pictures(64, 224)),
            t.class_error,
        ),
        (
            "ViT-B/16",
            *(("vision", "ViT"), ("bf16", "tf32"), seen.vit_b_16, pictures(64, 224)),
            t.class_error,
        ),
        (
            "U-Net",
            *(("diffusion", "U-Net"), ("bf16", "tf32"), lambda: t.SmallUnet(128)),
            *(t.pictures(some(32), 64), t.noise_error),
        ),
        (
            "LSTM 1024 wide",
            *(("language", "LSTM"), ("fp32", "bf16")),
            lambda: t.RecurrentLanguage(nn.LSTM, 10000, 1024, 2),
            *(words(128, 129, 10000), t.next_word),
        ),
        (
            "wide MLP",
            *(("other", "MLP"), ("bf16", "tf32", "fp32")),
            lambda: t.classifier((8192,) * 5 + (1000,), norm=False),
            *(t.vectors(some(4096), 8192, 1000), t.class_error),
        ),
        (
            "MLP with batch norm",
            *(("other", "MLP"), ("bf16",)),
            lambda: t.classifier((784, 4096, 4096, 4096, 10), dropout=0.2),
            *(t.vectors(some(1024), 784, 10), t.class_error),
        ),
    )
    return [
        BoardProgram(
            name=name,
            kind=kind,
            arch=arch,
            precision=precision,
            build=build,
            batch=batch,
            loss=loss,
            more=more[0] if more else {},
        )
        for name, (kind, arch), formats, build, batch, loss, *more in rows
        for precision in formats
    ]


@contextlib.contextmanager
def on(place: str, precision: str) -> Iterator[None]:
    """What is made lies on a device, and products in fp32 use the format that is said."""
    before = torch.get_default_device()
    torch.set_default_device(place)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_default_device(before)


def train(chosen: Sequence[BoardProgram], place: str, component: str, seconds: float) -> None:
    """Measure every program for some seconds and store it, as a user's script would.

    Parameters
    ----------
    chosen : sequence of BoardProgram
    place, component : str
        The device as PyTorch and as the meters name it.
    seconds : float
        Of each program, after its first steps [s].
    """
    for program in chosen:
        begun = time.monotonic()
        try:
            with on(place, program.precision):
                ran(program, component, seconds)
        except (RuntimeError, ValueError, TypeError) as error:
            text = str(error).partition("\n")[0]
            print(f"{program.name}, {program.precision}: cannot run here ({text})", flush=True)
        if place != "cpu":
            torch.cuda.empty_cache()
        print(f"  {time.monotonic() - begun:.1f} s in all", flush=True)


def ran(program: BoardProgram, component: str, seconds: float) -> None:
    """Count a step, warm up, and measure."""
    flop = counted_step(stepped(program, **{**program.more, "compiled": False})).total_flop
    step = stepped(program, **program.more)
    step()
    with measure(
        flop=flop,
        kind=program.kind,
        arch=program.arch,
        precision=program.precision,
        label=program.name,
        component=component,
    ) as session:
        begun = time.monotonic()
        while session.steps < 24 or time.monotonic() - begun < seconds:
            step()
            session.step()
    timing = session.timing()
    if timing is not None:
        print(
            f"{program.name}, {program.precision}: {timing.time_s * 1e3:.2f} ms a step, "
            f"{flop / timing.time_s / 1e12:.1f} TFLOP/s",
            flush=True,
        )
