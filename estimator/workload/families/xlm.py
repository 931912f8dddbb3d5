"""How much work XLM and FlauBERT are: BERT under other names (arXiv:1901.07291)."""

from estimator.workload.families.text_encoder import (
    WIDTH,
    HeadCosts,
    Sizes,
    TextFacts,
    text_encoder,
)
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
    """XLM: BERT under other names, whose types of sentences are languages."""
    languages = fields.size("n_langs", default=1)
    tagged = languages > 1 and fields.flag("use_lang_emb", default=True)
    width = 4 * fields.size(*WIDTH)
    values = {"type_vocab_size": languages * tagged, "intermediate_size": width}
    return text_encoder(TextFacts(heads=_heads), fields.with_values(values))
