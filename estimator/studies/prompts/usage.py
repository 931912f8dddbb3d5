"""Token counts by model from usage exports and logs, without any content.

A file is JSON, JSON lines or CSV. Objects that match one of `FORMATS` are usage records; everything
else, such as conversations, is skipped unread.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from estimator.core.messages import refuse

LARGEST_BYTES = 256 * 2**20
"""Largest usage file [B]: a year of an agent's logs."""

MOST_MODELS = 200
"""Most models in one file [1]."""

DEEPEST = 60
"""Deepest nesting of a record [1]."""

LONGEST_NAME = 100
"""Longest model name [character]."""


@dataclass(frozen=True, kw_only=True)
class UsageFormat:
    """Keys of the numbers in a usage record; nested keys are joined by dots.

    Parameters
    ----------
    name : str
        Name of the export or log.
    needs : tuple of str
        Keys that identify a record; the first has the output tokens.
    model : tuple of str
        Keys of the model's name, of which the first non-empty one counts; none if an earlier record
        has it.
    read, cached : tuple of str
        Keys of input tokens, and of cached tokens.
    within : bool
        Whether `read` includes cached tokens.
    requests : str
        Key of the number of requests; empty if a record is one request.
    many : bool
        Whether a record without a number of requests sums up several.
    once : str
        Key that identifies a record written several times.
    """

    name: str
    needs: tuple[str, ...]
    model: tuple[str, ...]
    read: tuple[str, ...]
    cached: tuple[str, ...] = ()
    within: bool = True
    requests: str = ""
    many: bool = False
    once: str = ""


FORMATS = (
    UsageFormat(
        name="OpenAI usage export",
        needs=("output_tokens", "num_model_requests"),
        model=("model",),
        read=("input_tokens",),
        cached=("input_cached_tokens",),
        requests="num_model_requests",
    ),
    UsageFormat(
        name="Anthropic usage export (CSV)",
        needs=("usage_output_tokens", "model_version"),
        model=("model_version",),
        read=(
            *("usage_input_tokens_no_cache", "usage_input_tokens_cache_write_5m"),
            "usage_input_tokens_cache_write_1h",
        ),
        cached=("usage_input_tokens_cache_read",),
        within=False,
        many=True,
    ),
    UsageFormat(
        name="Anthropic usage report",
        needs=("output_tokens", "uncached_input_tokens"),
        model=("model",),
        read=(
            *("uncached_input_tokens", "cache_creation.ephemeral_5m_input_tokens"),
            "cache_creation.ephemeral_1h_input_tokens",
        ),
        cached=("cache_read_input_tokens",),
        within=False,
        many=True,
    ),
    UsageFormat(
        name="Claude Code log",
        needs=("usage.output_tokens", "usage.input_tokens", "model"),
        model=("model",),
        read=("usage.input_tokens", "usage.cache_creation_input_tokens"),
        cached=("usage.cache_read_input_tokens",),
        within=False,
        once="id",
    ),
    UsageFormat(
        name="Codex log",
        needs=("last_token_usage.output_tokens", "last_token_usage.input_tokens"),
        model=(),
        read=("last_token_usage.input_tokens",),
        cached=("last_token_usage.cached_input_tokens",),
        once="total_token_usage",
    ),
    UsageFormat(
        name="OpenTelemetry GenAI span",
        needs=("gen_ai.usage.output_tokens",),
        model=("gen_ai.response.model", "gen_ai.request.model"),
        read=("gen_ai.usage.input_tokens",),
        cached=("gen_ai.usage.cache_read.input_tokens",),
    ),
    UsageFormat(
        name="LiteLLM spend log",
        needs=("completion_tokens", "prompt_tokens", "model"),
        model=("model",),
        read=("prompt_tokens",),
        once="request_id",
    ),
)
"""Known exports and logs; the first match counts."""


class ModelUsage(NamedTuple):
    """Tokens of one model: input, cached part of it, output; and requests.

    `requests` is NaN if the file does not state them.
    """

    model: str
    requests: float
    input_tokens: float
    cached_tokens: float
    output_tokens: float


def usage_of(content: bytes) -> list[ModelUsage]:
    """Return the usage in a file's content by model, most output tokens first.

    Raises
    ------
    ValueError
        If it is not text, or contains no usage in a known format.

    Examples
    --------
    >>> usage_of(b'{"model": "gpt-4o", "prompt_tokens": 90, "completion_tokens": 10}')[0].requests
    1.0
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse("prompt_usage_unread", why="not UTF-8 text") from error
    found: dict[str, ModelUsage] = {}
    for one in _records(_documents(text)):
        before = found.get(one.model)
        found[one.model] = one if before is None else _added(before, one)
        if len(found) > MOST_MODELS:
            raise refuse("prompt_usage_unread", why=f"more than {MOST_MODELS} models")
    if not found:
        raise refuse("prompt_usage_unread", why="no usage in a known format")
    return sorted(found.values(), key=lambda one: -one.output_tokens)


def _added(one: ModelUsage, other: ModelUsage) -> ModelUsage:
    """Sum of two usages of a model."""
    return ModelUsage(one.model, *(a + b for a, b in zip(one[1:], other[1:], strict=True)))


def _documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents or CSV rows of a text, without damaged lines."""
    start = text.lstrip()[:1]
    if start and start not in "[{":
        try:
            yield from csv.DictReader(io.StringIO(text))
        except csv.Error as error:
            raise refuse("prompt_usage_unread", why=str(error)) from error
        return
    try:
        yield json.loads(text)
    except (ValueError, RecursionError):
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                continue


def _records(documents: Iterable[Any]) -> Iterator[ModelUsage]:
    """Yield every usage record once; without a model, the last one set applies."""
    seen: set[tuple[str, str]] = set()
    model = ""
    for document in documents:
        for node in _objects(document, 0):
            if node.get("type") == "turn_context":
                model = _text(_value(node, "payload.model")) or model
            for form in FORMATS:
                if all(_value(node, key) is not None for key in form.needs):
                    once = json.dumps(_value(node, form.once), sort_keys=True) if form.once else ""
                    if not once or once == "null" or (form.name, once) not in seen:
                        seen.add((form.name, once))
                        yield from _usage(node, form, model)
                    break


def _objects(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield every object in a value, with OpenTelemetry attribute lists as objects."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        yield value
        attributes = value.get("attributes")
        if isinstance(attributes, list):
            yield _attributes(attributes)
        inner: Iterable[Any] = value.values()
    else:
        inner = value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, Mapping | list):
            yield from _objects(one, depth + 1)


def _attributes(pairs: list[Any]) -> dict[str, Any]:
    """Convert an OpenTelemetry attribute list to an object."""
    return {
        one["key"]: next(iter(one["value"].values()), None)
        for one in pairs
        if isinstance(one, Mapping)
        and isinstance(one.get("key"), str)
        and isinstance(one.get("value"), Mapping)
    }


def _usage(node: Mapping[str, Any], form: UsageFormat, model: str) -> Iterator[ModelUsage]:
    """Yield the usage of a record, if it has output."""
    written = _count(_value(node, form.needs[0]))
    cached = sum(_count(_value(node, key)) for key in form.cached)
    read = sum(_count(_value(node, key)) for key in form.read) + (0.0 if form.within else cached)
    requests = _count(_value(node, form.requests)) if form.requests else 1.0
    name = next((text for key in form.model if (text := _text(_value(node, key)))), model)
    if written > 0:
        known = math.nan if form.many or not requests else requests
        yield ModelUsage(name or "unknown", known, max(read, cached), cached, written)


def _value(node: Mapping[str, Any], key: str) -> Any:
    """Look up a plain or dotted key."""
    if key in node:
        return node[key]
    head, dot, rest = key.partition(".")
    inner = node.get(head) if dot else None
    return _value(inner, rest) if isinstance(inner, Mapping) else None


def _count(value: Any) -> float:
    """Return a number of tokens, zero for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if 0 < number < math.inf and not isinstance(value, bool) else 0.0


def _text(value: Any) -> str:
    return value.strip()[:LONGEST_NAME] if isinstance(value, str) else ""
