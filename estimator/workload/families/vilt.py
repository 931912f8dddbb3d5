"""How much work ViLT is: text and patches in one sequence of a ViT's layers (arXiv:2102.03334)."""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.convolution import image
from estimator.workload.families.text_encoder import bert_sizes, tables, written_words
from estimator.workload.families.vit import trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, label_head, task
from estimator.workload.network import Network, Pass, lines, network, sequence
from estimator.workload.registry import family


def _heads(fields: Fields, hidden: int, vocab: int) -> tuple[dict[str, Cost], Costs]:
    """Heads per pair of image and text, and per token of the text."""
    kind = task(fields)
    pooler = linear(hidden, hidden, bias=True)
    once = {"pooler": pooler} if kind != "TokenClassification" else {}
    if kind == "QuestionAnswering":
        once |= {
            "head/dense": linear(hidden, 2 * hidden, bias=True),
            "norm/head": held(4 * hidden),
            "head/classifier": linear(2 * hidden, label_count(fields), bias=True),
        }
    elif kind == "ImageAndTextRetrieval":
        once["head/rank"] = linear(hidden, 1, bias=True)
    elif kind == "ImagesAndTextClassification":
        wide = fields.size("num_images", default=2) * hidden
        once |= {
            "head/dense": linear(wide, wide, bias=True),
            "norm/head": held(2 * wide),
            "head/classifier": label_head(fields, wide),
        }
    if kind != "MaskedLM":
        return once, {}
    own = not fields.flag("tie_word_embeddings", default=True)
    return once, written_words(hidden, hidden, vocab, own=own)


@family("vilt")
def vilt(fields: Fields) -> Network:
    """ViLT: no tower; the patches are projected as the words are looked up."""
    sight = trunk(fields)
    hidden = sight.hidden
    words = bert_sizes(fields)
    types = fields.size("modality_type_vocab_size", default=2)
    before = tables(replace(words, types=words.types + types), hidden)
    once, after = _heads(fields, hidden, words.vocab)
    patch = linear(sight.patch**2 * sight.channels, hidden, bias=True)
    shots = 1
    if task(fields) == "ImagesAndTextClassification":
        shots = fields.size("num_images", default=2)
    pooled = {"pooler": once.pop("pooler")} if "pooler" in once else {}

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, tokens = sequence(inputs, words.positions)
        patches, seen = sight.positions(pixels)
        both = shots * batch * (tokens + seen)
        done = [*lines({"vision/embedding/patch": patch}, shots * batch * patches, first=True)]
        done += [
            *lines(sight.tables, batch, prefix="vision/"),
            *lines(before, shots * batch * tokens),
        ]
        done += lines(sight.layer, both, pairs=both * (tokens + seen), times=sight.layers)
        done += [*lines(pooled, shots * batch), *lines(once, batch), *lines(after, batch * tokens)]
        return Pass(lines=done, items=batch * tokens)

    known = not task(fields) or once or after
    return network(fields, run, head_note(fields, known))
