"""Which BERT whose types of sentences are languages a config describes: XLM, FlauBERT."""

from estimator.workload.families.text_encoder import (
    WIDTH,
    HeadCosts,
    Sizes,
    TextFacts,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.model_class import class_name, classifier, label_head, task, word_head
from estimator.workload.network import Network
from estimator.workload.registry import family


def bare_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """A bare language head, classifiers without a dense layer."""
    kind, hidden = task(fields), sizes.hidden
    after = dict(classifier(fields, hidden, "TokenClassification"))
    once = classifier(fields, hidden, "SequenceClassification")
    if kind == "MaskedLM" or class_name(fields).endswith("WithLMHeadModel"):
        after["head/logits"] = word_head(fields, hidden, sizes.vocab, biases=1)
    if kind == "QuestionAnsweringSimple":
        after["head/span"] = label_head(fields, hidden)
    return after, once


@family("xlm", "flaubert")
def xlm(fields: Fields) -> Network:
    """XLM, FlauBERT: BERT whose types of sentences are languages (arXiv:1901.07291)."""
    languages = fields.size("n_langs", default=1)
    tagged = languages > 1 and fields.flag("use_lang_emb", default=True)
    width = 4 * fields.size(*WIDTH)
    values = {"type_vocab_size": languages * tagged, "intermediate_size": width}
    return text_encoder(TextFacts(heads=bare_heads), fields.with_values(values))
