"""How much work CANINE is: characters, folded four to a position, and unfolded (arXiv:2103.06874).

A character's row is put together from narrow slices of several hashed tables. The first layer and
the last attend inside chunks of 128 characters.
"""

import numpy as np

from estimator.workload.blocks import Cost, affine, held, table
from estimator.workload.families.text_encoder import bert_sizes, block
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import label_head, task
from estimator.workload.network import Network, Pass, length_warning, lines, network, sequence
from estimator.workload.registry import family


def _heads(fields: Fields, hidden: int) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """Heads per character and per sequence."""
    kind = task(fields)
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {"head/classifier": label_head(fields, hidden)}, {}
    return {}, {"head/classifier": label_head(fields, hidden)} if kind else {}


@family("canine")
def canine(fields: Fields) -> Network:
    """CANINE: a stack over positions of four characters, between two layers over characters."""
    sizes = bert_sizes(fields)
    hidden, layer = sizes.hidden, block(fields, sizes)
    rate = fields.size("downsampling_rate", default=4)
    chunk = fields.size("local_transformer_stride", default=128)
    kernel = fields.size("upsampling_kernel_size", default=4)
    buckets = fields.size("num_hash_buckets", default=16384)
    before = {
        "embedding/token": table(buckets, hidden),
        "embedding/position": table(buckets, hidden),
        "embedding/type": table(sizes.types, hidden),
        "norm/embedding": held(2 * hidden),
    }
    folds = {"fold": affine(rate * hidden, hidden), "norm/fold": held(2 * hidden)}
    unfolds = {"unfold": affine(2 * kernel * hidden, hidden), "norm/unfold": held(2 * hidden)}
    after, once = _heads(fields, hidden)
    pooled = {"pooler": affine(hidden, hidden), **once}

    def run(inputs: Inputs) -> Pass:
        batch, length = sequence(inputs, sizes.positions)
        characters, few = batch * length, np.floor(length / rate)
        seen = characters * np.minimum(length, float(chunk))
        done = [*lines(before, characters)]
        done += lines(layer, characters, pairs=seen, prefix="first/")
        done += lines(folds, batch * few)
        done += lines(layer, batch * few, pairs=batch * few * few, times=sizes.layers)
        done += lines(unfolds, characters)
        done += lines(layer, characters, pairs=characters * length, prefix="last/")
        done += [*lines(after, characters), *lines(pooled, batch)]
        warned = length_warning(length, sizes.positions)
        return Pass(lines=done, items=characters, warnings=warned)

    return network(fields, run)
