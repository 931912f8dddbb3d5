"""`model`: parameters, FLOPs and memory of a config.json, a preset, or a named network."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_model, add_output, model_of, refuse_given, shape_of
from estimator.question.inputs import option_of, read_number
from estimator.show.terminal import print_report

if TYPE_CHECKING:
    from estimator.networks.ledger import Architecture, Inputs, Ledger

EXAMPLES = """examples:
  twenty-watts model config.json
  twenty-watts model config.json --batch 8 --seq-len 4096 --causal
  twenty-watts model gpt-2 --json
  twenty-watts model resnet50 --batch 256
  twenty-watts model config.json --count
FLOPs count matrix products, convolutions and attention, with two FLOPs per multiply-add and full
attention scores; --causal counts half of them.
"""

TAKEN_BY = {
    "image_size": "models that see",
    "seq_len": "text and audio models",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "model",
        help="count the parameters, FLOPs and memory of a config.json or a preset",
        description=(
            "Count the parameters, FLOPs and weight memory of a network, layer type by layer type."
        ),
        epilog=EXAMPLES,
    )
    add_model(
        parser,
        metavar="CONFIG.json|PRESET|NAME",
        help=(
            "path of a config.json (- for stdin), a preset, or the name of a torchvision or "
            "timm model"
        ),
    )
    parser.add_argument(
        "--batch", metavar="N", default="1", help="number of sequences or images (default: 1)"
    )
    parser.add_argument(
        "--seq-len",
        metavar="N",
        help="tokens per sequence, on each side of an encoder-decoder; samples of raw audio",
    )
    parser.add_argument(
        "--image-size",
        metavar="N",
        help="image side in pixels for vision models; side of the latent map for diffusion models",
    )
    parser.add_argument(
        "--count",
        action="store_true",
        help="count on PyTorch's meta device, for unsupported architectures (needs torch and "
        "transformers)",
    )
    parser.add_argument(
        "--causal", action="store_true", help="count only the unmasked half of attention scores"
    )
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the architecture and print its ledger."""
    from estimator.answer.network_report import network_report
    from estimator.networks.ledger import Inputs

    inputs = Inputs(
        batch=_limited("batch", options.batch),
        seq_len=_optional("seq_len", options.seq_len),
        image_size=_optional("image_size", options.image_size),
        causal=options.causal,
    )
    options.model = model_of(options)
    if options.model is None:
        raise ValueError("no model given: pass a config.json, a preset, or a torchvision/timm name")
    answer = _torch_ledger if options.count else _read_or_counted
    ledger, name = answer(options, inputs)
    report = network_report(name, ledger)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=True)
    return 0


def _read_or_counted(options: argparse.Namespace, inputs: "Inputs") -> tuple["Ledger", str]:
    """Count the ledger of a known architecture, or of any other with PyTorch."""
    from estimator.networks.compiled import UnknownArchitectureError
    from estimator.networks.meta_device import can_count

    try:
        return _known_ledger(options, inputs)
    except UnknownArchitectureError as error:
        if can_count():
            return _torch_ledger(options, inputs)
        raise ValueError(f"{error}; --count builds and counts it with PyTorch") from None


def _known_ledger(options: argparse.Namespace, inputs: "Inputs") -> tuple["Ledger", str]:
    """Count the ledger of a known architecture; refuse inputs without effect."""
    from estimator.networks.ledger import takes

    network, name = _network(options)
    for field, takers in TAKEN_BY.items():
        if not takes(network, field):
            refuse_given(options, (field,), f"applies to {takers}, not to {name}: omit it")
    return network.ledger(inputs), name


def _torch_ledger(options: argparse.Namespace, inputs: "Inputs") -> tuple["Ledger", str]:
    """Count the ledger of a config.json with PyTorch."""
    from estimator.networks.config_file import config_name, config_of
    from estimator.networks.meta_device import counted_ledger

    if options.causal:
        raise ValueError(
            "--causal cannot be combined with --count: PyTorch computes attention in full"
        )
    return counted_ledger(config_of(options.model), inputs), config_name(options.model)


def _optional(name: str, text: str | None) -> float | None:
    return None if text is None else _limited(name, text)


def _limited(name: str, text: str) -> float:
    """Parse a number within its limits."""
    from estimator.core.limits import within_limits

    number = read_number(name, text)
    within_limits(name, number, called=name)
    return number


def _network(options: argparse.Namespace) -> tuple["Architecture", str]:
    """Find a network from a file, a preset, or torchvision."""
    from estimator.cli.options import catalog_of
    from estimator.networks.config_file import config_name, config_of, is_config
    from estimator.networks.families.torchvision import is_named, named_architecture
    from estimator.networks.huggingface import architecture

    given = options.model
    if is_config(given):
        return architecture(config_of(given)), config_name(given)
    if is_named(given):
        return named_architecture(given), given
    preset = catalog_of(options).preset(given)
    if not preset.config:
        raise ValueError(
            f"no architecture of {preset.name} is on record; pass its config.json instead"
        )
    return architecture(preset.config), preset.name
