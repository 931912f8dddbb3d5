"""One use of a model: question inputs, tasks, and classes of closed models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from estimator.question.inputs import Question

TASKS: Mapping[str, str] = {
    "question": "a short question",
    "chat": "a long chat",
    "summary": "a page summarised",
    "agent": "a coding task by an agent",
    "image": "an image",
    "video": "ten seconds of video",
    "transcription": "an hour of transcription",
}
"""Task -> its name in a sentence."""

ITEM_TASKS = ("image", "video")
"""Tasks whose output is not tokens."""

CLASSES: Mapping[str, str] = {
    "gpt": "GPT (large)",
    "gpt-mini": "GPT mini",
    "claude": "Claude (Sonnet, Opus)",
    "claude-haiku": "Claude Haiku",
    "gemini": "Gemini Pro",
    "gemini-flash": "Gemini Flash",
    "mistral": "Mistral (Large, Medium)",
    "deepseek": "DeepSeek V3, R1",
    "image": "an image model",
    "video": "a video model",
    "speech": "a speech model",
}
"""Class of models -> its name."""

CLASS_OF_TASK = {"image": "image", "video": "video", "transcription": "speech"}
"""Task -> its only class; language models do all others."""

FACTORS: Mapping[str, str] = {
    "size": "size of the model",
    "batch": "answers written at a time",
    "length": "length of the text",
    "work": "resolution and steps",
    "hardware": "hardware",
    "number format": "number format",
    "idle capacity": "idle capacity",
    "prediction": "error of the prediction",
    "host": "host",
    "power": "power",
    "PUE": "PUE",
}
"""Source of uncertainty -> its name in a sentence."""

NUMBERS: Mapping[str, str] = {
    "params": "parameters",
    "active_share": "share of the parameters active per token",
    "concurrency_per_device": "answers at a time on a device",
    "concurrency": "items at a time",
    "duty_cycle": "share of the time at work",
    "calls": "calls of the model",
    "input_tokens": "tokens read in a call",
    "output_tokens": "tokens written in a call",
    "cached_share": "share of the input found in a cache",
    "positions": "latent positions",
    "steps": "denoising steps",
    "guidance": "passes per step",
}
"""Assumed number -> its name."""

NAMES = (
    ("speech", r"whisper|transcribe|voxtral|scribe"),
    ("image", r"dall-?e|gpt-image|midjourney|imagen|nano-?banana|firefly"),
    ("video", r"\bsora|\bveo|kling|runway"),
    ("gpt-mini", r"gpt.*(mini|nano)|gpt-?3\.?5|\bo[134]-mini|codex-mini"),
    ("gpt", r"^(chat-?)?gpt(-?[45]|$|[- ])|^chatgpt|^o[134](-|$)|^codex|^openai$|^copilot"),
    ("claude-haiku", r"claude.*(haiku|instant)|^haiku"),
    ("claude", r"claude|^sonnet|^opus|^anthropic$"),
    ("gemini-flash", r"gemini.*(flash|nano|lite)"),
    ("gemini", r"gemini|^bard$"),
    ("mistral", r"^mistral|le-?chat|magistral|^codestral"),
    ("deepseek", r"^deepseek"),
)
"""Class -> pattern of its model names; the first match counts."""


def class_of(name: str) -> str:
    """Return the class of closed models for a name, empty if none.

    >>> class_of("openai/gpt-4o-mini-2024-07-18"), class_of("claude-sonnet-4-5"), class_of("olmo")
    ('gpt-mini', 'claude', '')
    """
    word = name.strip().casefold()
    if word in CLASSES:
        return word
    word = word.rpartition("/")[2].rpartition("anthropic.")[2]
    return next((one for one, pattern in NAMES if re.search(pattern, word)), "")


def classes_of(task: str) -> tuple[str, ...]:
    """Return the classes of closed models that support a task.

    >>> classes_of("image"), classes_of("chat")[:2]
    (('image',), ('gpt', 'gpt-mini'))
    """
    only = CLASS_OF_TASK.get(task)
    return (
        (only,) if only else tuple(name for name in CLASSES if name not in CLASS_OF_TASK.values())
    )


@dataclass(frozen=True, kw_only=True)
class PromptQuestion(
    Question,
    wording={
        "input_tokens": {
            "help": "input tokens per call (default: typical of the task)",
            "label": "Tokens read in a call",
        },
        "output_tokens": {
            "help": "output tokens per call (default: typical of the task)",
            "label": "Tokens written in a call",
        },
        "hardware": {"help": "device that the model runs on, if known", "label": "Hardware"},
        "concurrency": {
            "help": "requests that one instance serves at a time, if known",
            "label": "Answers at a time",
        },
        "precision": {
            "help": "number format of the weights, if known: bf16, fp8, int4 ...",
            "choices": (),
            "label": "",
        },
        "site": {"help": "country, cloud region or operator (default: world average)"},
    },
):
    """One use of a model; None or empty means unspecified, and is integrated over."""

    model: str = ""
    task: str = ""
    per: str = ""
    times: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    cached_share: float | None = None
    hardware: str = ""
    concurrency: float | None = None
    precision: str = ""
    site: str = ""
    pue: float | None = None
