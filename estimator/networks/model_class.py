"""Class, task and number of labels of a config."""

import re

from estimator.networks.blocks import Cost, Costs, linear, vocabulary_head
from estimator.networks.fields import Fields


def class_name(fields: Fields) -> str:
    """Return the first of `architectures`, empty if there is none."""
    names = fields.items("architectures") or [""]
    return str(names[0])


def task(fields: Fields) -> str:
    """Return the task of the class: `MaskedLM` for `BertForMaskedLM`; empty for a bare trunk."""
    name = class_name(fields)
    if name.endswith("LMHeadModel"):
        return "CausalLM"
    found = re.search(r"For([A-Z]\w*)$", name)
    return found.group(1) if found else ""


def label_count(fields: Fields) -> int:
    """Return the labels of a classifier: `num_labels`, the length of `id2label`, or 2."""
    labels = fields.part("id2label").values
    return fields.size("num_labels", default=len(labels) or 2)


def head_note(fields: Fields, counted: object) -> tuple[str, ...]:
    """Return a warning if the head of the class is not counted."""
    return () if counted else (f"the head of {class_name(fields)} is not counted",)


def label_head(fields: Fields, width: int, bias: bool = True) -> Cost:
    """Return the dense layer from states of `width` to the labels, or to one score per choice."""
    return linear(width, 1 if task(fields) == "MultipleChoice" else label_count(fields), bias)


def tied_as_stated(fields: Fields) -> bool:
    """Return whether the head shares the token embedding, the default."""
    return fields.flag("tie_word_embeddings", default=True)


def word_head(fields: Fields, width: int, vocab: int, *, biases: int = 0) -> Cost:
    """Return the logits over a vocabulary, from the token table or an untied matrix."""
    return vocabulary_head(width, vocab, own=not tied_as_stated(fields), biases=biases)


def classifier(fields: Fields, width: int, kind: str = "ImageClassification") -> Costs:
    """Label head of a class for `kind`, nothing for others."""
    return {"head/classifier": label_head(fields, width)} if task(fields) == kind else {}
