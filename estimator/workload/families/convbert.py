"""How much work ConvBERT is: half of its heads are convolutions (arXiv:2008.02496, sec. 3)."""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, Mlp, equal_heads, held, layer_costs, linear
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.text_encoder import LAYER_NORM, Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.registry import families


def _layer(fields: Fields, sizes: Sizes) -> Costs:
    hidden = sizes.hidden
    kernel = fields.size("conv_kernel_size", default=9)
    count = max(sizes.heads // fields.size("head_ratio", default=2), 1)
    width = hidden // sizes.heads * count
    attention = replace(equal_heads(fields, width, count), hidden=hidden)
    mlp = Mlp(hidden=hidden, width=sizes.width, bias=True)
    return {
        **layer_costs(attention, mlp, 2 * LAYER_NORM * hidden),
        "attention/output": linear(hidden, hidden, bias=True),
        "convolution/depth": depthwise(hidden, kernel, bias=False),
        "convolution/point": linear(hidden, width),
        "convolution/bias": held(width),
        "convolution/kernel": linear(width, count * kernel, bias=True),
        "convolution/out": linear(hidden, width, bias=True),
        "convolution/apply": Cost(flop_per_token=2 * width * kernel),
    }


CONVBERT = TextFacts(
    width_key="embedding_size",
    layer=_layer,
    pooled=(),
    dense_before=("SequenceClassification",),
    twin_bias=False,
)

families(text_encoder, {"convbert": CONVBERT})
