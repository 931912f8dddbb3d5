"""How much work XLM and FlauBERT are: BERT under other names (arXiv:1901.07291)."""

from dataclasses import replace

from estimator.workload.families.text_encoder import HeadCosts, Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.model_class import (
    class_name,
    classifier,
    head_note,
    label_head,
    task,
    word_head,
)
from estimator.workload.network import Network
from estimator.workload.registry import family

NAMES = {
    "hidden_size": ("emb_dim", 2048),
    "num_hidden_layers": ("n_layers", 12),
    "num_attention_heads": ("n_heads", 16),
}
"""BERT's key -> XLM's, and its default."""


def _renamed(fields: Fields) -> Fields:
    """The config under BERT's keys."""
    values = {"vocab_size": 30145, **fields.values}
    for name, (key, usual) in NAMES.items():
        values[name] = fields.size(name, key, default=usual)
    languages = fields.size("n_langs", default=1)
    tagged = languages > 1 and fields.flag("use_lang_emb", default=True)
    values["type_vocab_size"] = languages * tagged
    values["intermediate_size"] = 4 * values["hidden_size"]
    for key in ("n_layers", "n_heads", "dim", "hidden_dim", "d_model"):
        values.pop(key, None)
    return replace(fields, values=values)


def _heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """A bare language head, classifiers without a dense layer."""
    kind, hidden = task(fields), sizes.hidden
    after = dict(classifier(fields, hidden, "TokenClassification"))
    once = classifier(fields, hidden, "SequenceClassification")
    if kind == "MaskedLM" or class_name(fields).endswith("WithLMHeadModel"):
        kind = "MaskedLM"
        after["head/logits"] = word_head(fields, hidden, sizes.vocab, biases=1)
    if kind == "QuestionAnsweringSimple":
        after["head/span"] = label_head(fields, hidden)
    return after, once, head_note(fields, not kind or after or once)


@family("xlm", "flaubert")
def xlm(fields: Fields) -> Network:
    """XLM: BERT under other names."""
    return text_encoder(TextFacts(heads=_heads), _renamed(fields))
