"""Options that say of a measured load what the result of its benchmark leaves out."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import refuse_given
from estimator.scenario.scenario import option_of

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.runs.record import MeasuredRun

SERVED = {
    "kv_precision": ("NAME", "format of the cache"),
    "software": ("NAME", "program that served: vllm, sglang, tensorrt-llm, llama.cpp ..."),
    "concurrency": ("N", "sequences in flight on all devices"),
    "input_tokens": ("N", "tokens of a prompt, on the average"),
    "output_tokens": ("N", "tokens of an answer, on the average"),
    "tensor_parallel": ("N", "devices that each layer is split across"),
    "expert_parallel": ("N", "devices that the experts are split across"),
    "data_parallel": ("N", "replicas of the attention layers"),
}
"""Field of a served load -> placeholder and help of its option."""

FIELDS = {f"served_{name}": name for name in SERVED}
"""Place of such an option among those of its command -> its field."""

WORDS = ("kv_precision", "software")


def add_served_options(group: Any) -> None:
    """Add what a benchmark of a server may leave out."""
    for name, (placeholder, help_) in SERVED.items():
        group.add_argument(option_of(name), metavar=placeholder, help=help_, dest=f"served_{name}")


def refuse_served(options: argparse.Namespace, why: str) -> None:
    """Refuse what only a benchmark of a server takes."""
    refuse_given(options, FIELDS, why, lambda name: option_of(FIELDS[name]))


def load_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of a served load; errors as for `serve-cost`."""
    from estimator.serving.formats import weight_format
    from estimator.serving.question import check_number, read_number

    stated: dict[str, Any] = {"model": options.preset, "precision": options.precision}
    numbers = {"params_total": options.params, "params_active": options.active_params}
    for name in SERVED:
        given = getattr(options, f"served_{name}")
        (stated if name in WORDS else numbers)[name] = given
    stated["program"] = stated.pop("software")
    for name in ("precision", "kv_precision"):
        if stated[name]:
            weight_format(stated[name])
    for name, text in numbers.items():
        value = None if text is None else read_number(name, text)
        if value is not None:
            check_number(name, value)
            stated[name] = value
    return {name: value for name, value in stated.items() if value not in (None, "")}


def check_served(run: "MeasuredRun", catalog: "Catalog") -> None:
    """Refuse a served load of which no answer can come."""
    from estimator.core.messages import render
    from estimator.core.notice import Refusal
    from estimator.serving.measured_loads import check_loads
    from estimator.serving.question import option_of

    try:
        check_loads(run, catalog)
    except Refusal as refusal:
        raise ValueError(render(refusal.notice, option_of)) from refusal
