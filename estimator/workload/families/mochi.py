"""How much work Mochi 1 is: two streams of unlike widths, by a config of diffusers (0.42).

163 frames of 480 x 848 pixels are counted where no side is asked for; `seq_len` is the text tokens.
"""

from estimator.workload.blocks import Cost, Costs, Mlp, affine, held, linear, scaled
from estimator.workload.families.diffusion_transformer import (
    Joint,
    patch_sizes,
    products,
    projections,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


@diffusers_class("MochiTransformer3DModel")
def mochi(fields: Fields) -> Network:
    """Mochi: video and text attend together, a narrow stream of the text ends in the last layer."""
    sizes = patch_sizes(fields)
    width, layers, narrow = sizes.width, sizes.layers, fields.size("pooled_projection_dim")
    words, most = fields.size("text_embed_dim"), fields.size("max_sequence_length")
    seen: Costs = {
        **projections(width, bias=False),
        **Mlp(hidden=width, width=8 * width // 3, gated=True).costs(),
        "norm/heads": held(4 * sizes.head_dim),
    }
    read = {f"text/{one}": linear(narrow, width) for one in ("query", "key", "value")}
    written: Costs = {
        "text/output": affine(width, narrow),
        **scaled(Mlp(hidden=narrow, width=8 * narrow // 3, gated=True).costs(), 1, "text/"),
    }
    pooled = affine(words, 2 * words)
    vectors = affine(width, 4 * width + 4 * narrow)
    last = affine(width, 4 * width + narrow)
    model = Joint(
        sizes=sizes,
        side=60,
        wide=106,
        steps=28,
        text_tokens=most,
        per_image={
            "time/embedding": two_dense(fields.size("time_embed_dim"), width),
            "time/modulation": vectors.times(layers - 1) + last,
            "head/modulation": affine(width, 2 * width),
            "embedding/places": held(3 * (width // 2)),
            "pooler/read": Cost(flop_per_token=pooled.flop_per_token),
            "pooler/query": affine(words, words, width),
            "pooler/scores": Cost(flop_per_token=4 * words),
        },
        per_patch=scaled(seen, layers),
        per_text={
            "pooler/read": pooled,
            "pooler/scores": Cost(flop_per_token=4 * words),
            "text/project": affine(words, narrow),
            **scaled(read, layers),
            **scaled(written, layers - 1),
        },
        per_both=scaled(products(width), layers),
    )
    return network(fields, model.run)
