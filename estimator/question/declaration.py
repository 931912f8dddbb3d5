"""How is an input of a question declared? Once, in the metadata of its field.

Help, unit, example, choices, heading, label, limits, column and option of an input stand there, and
options, widgets, links, limits, columns and documentation are derived from them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estimator.core.notice import Refusal

GROUPS = {
    "work": "workload: --preset, --params with --tokens, --flop, --config or --device-hours",
    "network": "workload details",
    "model": "model and number formats",
    "hardware": "hardware",
    "parallelism": "parallelism, if known",
    "traffic": "traffic",
    "place": "location",
    "money": "cost",
    "items": "items instead of tokens: images, videos, labels, texts",
    "comparison": "comparisons",
    "answer": "answer",
}
"""Heading -> its words in a help text; fields follow in their own order."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """All that the rims need to know of one input.

    Parameters
    ----------
    help : str
        What it means, for a help text.
    group : str
        A key of `GROUPS`.
    label : str
        What a page calls it; empty where none asks for it.
    unit : str
        Of its number; empty for counts, shares and words.
    example : str
        As people would write it.
    choices : tuple of str
        The words that it may be.
    limits : str
        A key of `core.limits.LIMITS` whose bounds its number keeps, where that is not the field's.
    bounds : pair of float
        Least and most of its number, where no key of `core.limits.LIMITS` says them.
    column : str
        Its name in a table of runs, where that differs from the field's.
    option : str
        Its documented option, where that is not the field's name.
    aliases : tuple of str
        Further spellings of its option.
    resolved : str
        Name of the input that it overrides in an answer, where that differs from the field's.
    number, flag : bool
        Whether it is a number, or yes or no, as the type of its field says.
    whole : bool
        Whether its number is a count.
    refines : bool
        Whether a row can be estimated without it where its cell cannot be read.
    local : bool
        A file of the user, or meaningless without one: no link carries it.
    """

    help: str
    group: str
    label: str = ""
    unit: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    limits: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    column: str = ""
    option: str = ""
    aliases: tuple[str, ...] = ()
    resolved: str = ""
    number: bool = False
    flag: bool = False
    whole: bool = False
    refines: bool = False
    local: bool = False

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"unknown group {self.group!r}: use one of {', '.join(GROUPS)}")


def declared(help_text: str, label: str, group: str, *, default: Any = None, **more: Any) -> Any:
    """Declare an optional input; its default says that it is unspecified."""
    described = Description(help=help_text, label=label, group=group, **more)
    return field(default=default, metadata={"input": described})


def inputs_of(question: type[Any]) -> Mapping[str, Description]:
    """Field -> its declaration, in the order of the fields of a dataclass."""
    return {
        item.name: replace(
            item.metadata["input"],
            number="float" in str(item.type),
            flag="bool" in str(item.type),
        )
        for item in fields(question)
        if "input" in item.metadata
    }


def option_in(inputs: Mapping[str, Description], name: str) -> str:
    """Documented option of an input, or of what is named like one."""
    option = inputs[name].option if name in inputs else ""
    return "--" + (option or name.replace("_", "-"))


def refuse(code: str, name: str, **values: Any) -> "Refusal":
    """Refuse an input; the sentences are imported when one is needed, for help goes without."""
    from estimator.core import messages

    return messages.refuse(code, name, **values)
