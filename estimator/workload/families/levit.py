"""How much work LeViT is: convolutions, then attention with norms of batches (arXiv:2104.01136)."""

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.convolution import (
    BATCH_NORM,
    Conv,
    Flow,
    flow_network,
    square,
    stages,
    windows,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import head_note, label_head, task
from estimator.workload.network import Network
from estimator.workload.registry import family

SIZES = ("hidden_sizes", "depths", "num_attention_heads", "key_dim", "attention_ratio", "mlp_ratio")

SHRINKING = (4, 2)
"""Values over keys of the attention that shrinks the map, and its stride."""


def normed(inputs: int, outputs: int) -> Cost:
    """A dense layer without bias, and its norm."""
    return linear(inputs, outputs) + held(BATCH_NORM * outputs)


@family("levit")
def levit(fields: Fields) -> Network:
    """LeViT: between stages a quarter of the positions asks all."""
    rows, side = stages(fields, SIZES), square(fields, "image_size", 224)
    kernel, stride = fields.size("kernel_size", default=3), fields.size("stride", default=2)
    channels, padding = fields.size("num_channels", default=3), fields.size("padding", default=1)
    grid, key = side // square(fields, "patch_size", 16), rows[0][3]
    shares = [rows[0][0] // 2**place for place in (3, 2, 1, 0)]
    kind, last = task(fields), rows[-1][0]
    count = kind.startswith("ImageClassification") + kind.endswith("WithTeacher")
    labels = label_head(fields, last) + held(BATCH_NORM * last)

    def body(flow: Flow) -> Flow:
        for place, (before, after) in enumerate(zip([channels, *shares], shares, strict=False)):
            conv = Conv(before, after, kernel=kernel, stride=stride, padding=padding)
            flow = flow.conv(f"stem/{place + 1}", conv, first=place == 0)
        rest: Quantity = float(grid)
        for place, (width, depth, many, dim, factor, wide) in enumerate(rows):
            tokens, name = rest * rest, f"stage{place + 1}/"
            layer = _attention(width, many * dim, factor, many * int(rest) ** 2)
            flow = flow.attending(layer, tokens, times=depth, prefix=name)
            flow = flow.layers(_mlp(width, wide), tokens, times=depth, prefix=name)
            if place + 1 < len(rows):
                ratio, step = SHRINKING
                left = windows(rest, 1, step)
                heads, after = width // key, rows[place + 1][0]
                inner = key * heads
                flow = flow.layers({"shrink/keys": normed(width, (1 + ratio) * inner)}, tokens)
                asks = {
                    "shrink/query": normed(width, inner),
                    "shrink/output": normed(ratio * inner, after),
                    "shrink/products": Cost(flop_per_pair=2 * (1 + ratio) * inner),
                    "shrink/distances": held(heads * int(rest) ** 2),
                    **_mlp(after, 2),
                }
                flow = flow.layers(asks, left * left, pairs=left * left * tokens, prefix=name)
                rest = left
        return flow.dense({"head/classifier": labels.times(count)})

    return flow_network(fields, side, body, head_note(fields, count or not kind))


def _attention(width: int, inner: int, factor: int, distances: int) -> Costs:
    """Attention whose values are `factor` as wide as its keys, with biases by distance."""
    return {
        "attention/in": normed(width, (2 + factor) * inner),
        "attention/products": Cost(flop_per_pair=2 * (1 + factor) * inner),
        "attention/output": normed(factor * inner, width),
        "attention/distances": held(distances),
    }


def _mlp(width: int, factor: int) -> Costs:
    """Two dense layers with norms."""
    return {"mlp/up": normed(width, factor * width), "mlp/down": normed(factor * width, width)}
