"""How much work ViLT is: text and patches in one sequence of a ViT's layers (arXiv:2102.03334)."""

from dataclasses import replace

from estimator.workload.blocks import Costs, affine, held
from estimator.workload.convolution import image
from estimator.workload.families.text_encoder import bert_sizes, tables, written_words
from estimator.workload.families.vit import trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_head, task
from estimator.workload.network import Network, Pass, lines, network, sequence
from estimator.workload.registry import family

SEVERAL = "ImagesAndTextClassification"
"""What the class does that takes several images."""


def _heads(fields: Fields, hidden: int, shots: int) -> Costs:
    """Heads per pair of text and images, of which one class takes several."""
    kind = task(fields)
    if kind == "ImageAndTextRetrieval":
        return {"head/rank": affine(hidden, 1)}
    if kind not in ("QuestionAnswering", SEVERAL):
        return {}
    inputs = shots * hidden
    wide = inputs if kind == SEVERAL else 2 * hidden
    return {
        "head/dense": affine(inputs, wide),
        "norm/head": held(2 * wide),
        "head/classifier": label_head(fields, wide),
    }


@family("vilt")
def vilt(fields: Fields) -> Network:
    """ViLT: no tower; the patches are projected as the words are looked up."""
    sight = trunk(fields)
    hidden = sight.hidden
    words = bert_sizes(fields)
    types = fields.size("modality_type_vocab_size", default=2)
    before = tables(replace(words, types=words.types + types), hidden)
    patch = affine(sight.patch**2 * sight.channels, hidden)
    kind = task(fields)
    shots = fields.size("num_images", default=2) if kind == SEVERAL else 1
    once = _heads(fields, hidden, shots)
    after: Costs = {}
    if kind == "MaskedLM":
        own = not fields.flag("tie_word_embeddings", default=True)
        after = written_words(hidden, hidden, words.vocab, own=own)
    pooled = {"pooler": affine(hidden, hidden)} if kind != "TokenClassification" else {}

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, tokens = sequence(inputs, words.positions)
        patches, seen = sight.positions(pixels)
        both = shots * batch * (tokens + seen)
        done = [*lines({"vision/embedding/patch": patch}, shots * batch * patches, first=True)]
        done += lines(sight.tables, batch, prefix="vision/")
        done += lines(before, shots * batch * tokens)
        done += lines(sight.layer, both, pairs=both * (tokens + seen), times=sight.layers)
        done += [*lines(pooled, shots * batch), *lines(once, batch), *lines(after, batch * tokens)]
        return Pass(lines=done, items=batch * tokens)

    return network(fields, run, head_note(fields, not kind or once or after))
