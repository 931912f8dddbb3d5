"""How much work AIMv2 is: a tower of gated MLPs for images, one for texts (arXiv:2411.14402)."""

from dataclasses import replace

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, layer_costs, linear
from estimator.workload.families.clip import pair_network
from estimator.workload.families.text_encoder import bert_sizes, tables
from estimator.workload.families.vit import Vision, trunk, vision_network
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.network import Network, network
from estimator.workload.registry import family, with_defaults_of


def _sight(fields: Fields, projection: int = 0) -> Vision:
    """The tower for images: no class token, a learned query that gathers the patches."""
    part = with_defaults_of(fields, "aimv2_vision_model")
    bias = part.flag("qkv_bias")
    sight = trunk(part, prefix=0, bias=bias, gated=True, norm=1)
    hidden, width = sight.hidden, part.size("intermediate_size")
    mlp = Mlp(hidden=hidden, width=width, gated=True, bias=part.flag("mlp_bias")).costs()
    places = {"embedding/position": Cost()} if part.flag("is_native") else {}
    sight = replace(sight, layer={**sight.layer, **mlp}, tables={**sight.tables, **places})
    project = {"head/project": linear(hidden, projection)}
    if not part.flag("use_head", default=True):
        return replace(sight, once=project)
    asked = Cost(flop_per_token=2 * hidden)
    seen = linear(hidden, 2 * hidden, bias=bias)
    after: Costs = {"pooler/key_value": seen, "pooler/scores": asked, "pooler/reduce": asked}
    pooled = {"pooler/query": held(hidden), "pooler/output": linear(hidden, hidden, bias=True)}
    return replace(sight, after=after, once={**pooled, **project})


def _text(fields: Fields, projection: int = 0) -> Stack:
    """The causal tower for texts."""
    part = with_defaults_of(fields, "aimv2_text_model")
    sizes, bias = replace(bert_sizes(part), types=0), part.flag("qkv_bias")
    head_dim = part.share("hidden_size", sizes.hidden, "num_attention_heads", sizes.heads)
    attention = Attention(
        hidden=sizes.hidden,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        head_dim=head_dim,
        qkv_bias=bias,
        output_bias=bias,
    )
    mlp = Mlp(hidden=sizes.hidden, width=sizes.width, gated=True, bias=part.flag("mlp_bias"))
    costs = layer_costs(attention, mlp, 2 * sizes.hidden)
    return Stack(
        before={**tables(sizes, sizes.hidden, norm=False), "norm/outer": held(sizes.hidden)},
        stack=(Layers(costs=costs, times=sizes.layers),),
        after={},
        once={"head/project": linear(sizes.hidden, projection)},
        longest=sizes.positions,
        causal=True,
    )


@family("aimv2")
def aimv2(fields: Fields) -> Network:
    """Both towers, compared as CLIP's are."""
    width = fields.size("projection_dim", default=512)
    text = _text(fields.part("text_config"), width)
    return pair_network(fields, text, _sight(fields.part("vision_config"), width), width)


@family("aimv2_vision_model")
def aimv2_sight(fields: Fields) -> Network:
    """The tower for images alone."""
    return vision_network(fields, _sight(fields))


@family("aimv2_text_model")
def aimv2_text(fields: Fields) -> Network:
    """The tower for texts alone."""
    return network(fields, _text(fields).run)
