"""Which of the Gemmas a config describes whose layers get an embedding of their own.

Gemma 3n and Gemma 4 share keys and values between layers, and a second token table feeds every
layer. Those tables multiply nothing, so they are held and counted as active, but cost no FLOPs. The
towers for sound rest: a pass takes in an image and text.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.networks.blocks import (
    Attention,
    Cost,
    Costs,
    Mlp,
    held,
    layer_costs,
    linear,
    multi_head,
    product,
    table,
)
from estimator.networks.families.hybrid_stack import language_model
from estimator.networks.families.moe_decoders import Mixture, experts
from estimator.networks.families.vision_language import before_text, seeing_network, text_part
from estimator.networks.families.vit import Vision
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.ledger import Inputs, quantity
from estimator.networks.network import Line, Network, lines
from estimator.networks.registry import family, with_defaults_of

TABLE_ROWS = 262144
"""Default rows of the second token table. [1]"""

FULL = "full_attention"

MakeLayer = Callable[[int, bool, bool], tuple[Attention, Costs]]
"""From a layer, whether it sees all, and whether it takes keys and values from an earlier one to
its attention and its other costs."""


@family("gemma3n_text")
def gemma3n(fields: Fields) -> Network:
    """Gemma 3n: streams mixed by AltUp, a low-rank path beside attention (arXiv:2301.13310)."""
    hidden, streams = fields.size("hidden_size"), fields.size("altup_num_inputs", default=4)
    rank = fields.size("laurel_rank", default=64)
    kv_heads = fields.size("num_key_value_heads", default=2)
    attention = _attention(fields, kv_heads, fields.size("head_dim", default=256))
    widths = _widths(fields)
    beside = {
        **_altup(hidden, streams),
        "laurel/left": linear(hidden, rank),
        "laurel/right": linear(rank, hidden),
        "norm/layers": held(5 * hidden),
    }

    def layer(at: int, full: bool, reuses: bool) -> tuple[Attention, Costs]:
        return attention, {**Mlp(hidden, widths[at], gated=True).costs(), **beside}

    bridge = linear(hidden, hidden).times(streams - 1)
    return _network(fields, _kinds(fields, 5), layer, {"altup/in": bridge, "altup/out": bridge})


@family("gemma4_text", "gemma4_unified_text")
def gemma4_text(fields: Fields) -> Network:
    """Gemma 4: wider heads in the full layers, where values may be the keys; perhaps experts."""
    hidden, width = fields.size("hidden_size"), fields.size("intermediate_size", default=9216)
    equal, doubles = fields.flag("attention_k_eq_v"), fields.flag("use_double_wide_mlp")
    narrow_kv = fields.size("num_key_value_heads", default=4)
    wide_kv = fields.size_or_none("num_global_key_value_heads") if equal else None
    wide = fields.size_or_none("global_head_dim", default=512) or 512
    narrow = fields.size("head_dim", default=256)
    norms = {**_experts(fields, hidden), "norm/layers": held(4 * hidden)}

    def layer(at: int, full: bool, reuses: bool) -> tuple[Attention, Costs]:
        kv_heads = (wide_kv or narrow_kv) if full else narrow_kv
        head_dim = _own_head_dim(fields, at, wide if full else narrow)
        mlp = Mlp(hidden, width * (1 + (doubles and reuses)), gated=True)
        values = {"attention/value": Cost()} if equal and full else {}
        return _attention(fields, kv_heads, head_dim), {**mlp.costs(), **norms, **values}

    kinds = _kinds(fields, 6)
    if fields.items("layer_types") is None:
        kinds[-1] = FULL
    return _network(fields, kinds, layer, {})


def _kinds(fields: Fields, period: int) -> list[str]:
    """Kinds of attention as listed, else all of the sequence in every `period`-th layer."""
    count = fields.layers("num_hidden_layers")
    usual = [FULL if (at + 1) % period == 0 else "sliding" for at in range(count)]
    return [str(kind) for kind in fields.items("layer_types", count) or usual]


def _own_head_dim(fields: Fields, layer: int, usual: int) -> int:
    """Width of a head that `per_layer_config` states for the layer, else the usual."""
    part = fields.part("per_layer_config")
    for key in (str(layer), f"{layer:02d}"):
        if part.states(key):
            return part.part(key).size("head_dim", default=usual)
    return usual


def _experts(fields: Fields, hidden: int) -> Costs:
    """Routed experts beside the MLP, with three more norms and learned scales."""
    if not fields.flag("enable_moe_block"):
        return {}
    block = experts(Mixture(keys=("num_experts",), active_key="top_k_experts"), fields)
    return {**block.costs(), "norm/experts": held(4 * hidden + block.experts)}


def _widths(fields: Fields) -> list[int]:
    """Width of the MLP in each layer, one for all layers or one each."""
    layers = fields.layers("num_hidden_layers")
    if not isinstance(fields.values.get("intermediate_size"), list | tuple):
        return [fields.size("intermediate_size", default=16384)] * layers
    stated = fields.items("intermediate_size", layers) or []
    return [Fields({"intermediate_size": width}).size("intermediate_size") for width in stated]


def _attention(fields: Fields, kv_heads: int, head_dim: int) -> Attention:
    return multi_head(
        fields.size("hidden_size"),
        fields.size("num_attention_heads", default=8),
        head_dim,
        kv_heads=kv_heads,
        bias=fields.flag("attention_bias"),
        norm_params=2 * head_dim,
    )


def _altup(hidden: int, streams: int) -> Costs:
    """Prediction of all streams from one, correction by what the layer made of it."""
    mixed = Cost(flop_per_token=2 * hidden * streams * streams)
    return {
        "altup/router": replace(linear(hidden, streams), flop_per_token=4 * hidden * streams),
        "altup/predict": linear(streams, streams * streams) + mixed,
        "altup/correct": linear(streams, streams),
        "norm/altup": held(2 * hidden),
    }


def _network(fields: Fields, kinds: list[str], layer: MakeLayer, more: Costs) -> Network:
    """The model of layers of these kinds, each of which takes in an embedding of its own."""
    hidden, count = fields.size("hidden_size"), len(kinds)
    window, shared = fields.size("sliding_window"), fields.size("num_kv_shared_layers", least=0)
    narrow = fields.size_or_none("hidden_size_per_layer_input", least=0) or 0
    rows = fields.size("vocab_size_per_layer_input", default=TABLE_ROWS)
    outer = {
        "per_layer/embedding/token": table(rows, count * narrow),
        "per_layer/project": linear(hidden, count * narrow),
        "norm/per_layer": held(narrow),
        **more,
    }
    gate = {
        "per_layer/gate": linear(hidden, narrow),
        "per_layer/out": linear(narrow, hidden),
        "norm/per_layer": held(hidden * (narrow > 0)),
    }
    layers = [Layers(costs=outer)]
    for at, kind in enumerate(kinds):
        reuses = at >= count - shared > 0
        attention, costs = layer(at, kind == FULL, reuses)
        taken: dict[str, Cost] = {}
        if reuses:
            taken = dict.fromkeys(("attention/key", "attention/value"), Cost())
            taken |= {"attention/norm": held(attention.head_dim)}
        layers.append(
            Layers(
                costs={**attention.costs(), **gate, **costs, **taken},
                window=None if kind == FULL else window,
                cache_values=0 if reuses else attention.cache_values_per_token,
            )
        )
    return language_model(fields, layers, fields.size("max_position_embeddings"))


SEEING = (294_126_912, 871_482_949_632)
"""Parameters of mobilenetv5_300m_enc [1], and FLOPs of an image, which is always 768 x 768 [flop].

As timm 1.0.31 builds it and PyTorch counts it: https://github.com/huggingface/pytorch-image-models.
"""


def _embedder(fields: Fields, text: int) -> tuple[int, Cost]:
    """What leads from a tower into the text: a table and norms that rest, and a matrix."""
    hidden = fields.size("hidden_size")
    return (fields.size("vocab_size", default=128) + 2) * hidden, linear(hidden, text)


@family("gemma3n")
def gemma3n_seeing(fields: Fields) -> Network:
    """Gemma 3n: a MobileNet V5, pooled to a few tokens; the conformer for sound rests."""
    text = text_part(fields, "gemma3n_text", fields.flag("tie_word_embeddings", default=True))
    vision, audio = (
        with_defaults_of(fields.part(f"{part}_config"), f"gemma3n_{part}")
        for part in ("vision", "audio")
    )
    vision.counted("architecture", "mobilenetv5_300m_enc")
    (seen_rows, project), (sound_rows, resting) = (
        _embedder(part, text.hidden) for part in (vision, audio)
    )
    tower = {"vision": product(*SEEING), "vision/embedding": held(seen_rows)}
    tower["audio"] = held(_gemma3n_sound(audio) + sound_rows + resting.params)
    count = fields.size("vision_soft_tokens_per_image", default=256)

    def seen(inputs: Inputs) -> list[Line]:
        batch = quantity("batch", inputs.batch)
        return [*lines(tower, batch), *lines({"bridge/project": project}, batch * count)]

    return before_text(fields, text, seen)


def _gemma3n_sound(fields: Fields) -> int:
    """Parameters of the conformer for sound."""
    first, second = fields.sizes("sscp_conv_channel_size", (128, 32), 2)
    bins, weights, before = fields.size("input_feat_size"), 0, 1
    kernels, strides = (fields.listed(f"sscp_conv_{key}_size") for key in ("kernel", "stride"))
    for channels, (high, wide), (_, step) in zip((first, second), kernels, strides, strict=True):
        weights += high * wide * before * channels + channels
        bins, before = (bins + 2 - wide) // step + 1, channels
    hidden = fields.size("hidden_size")
    heads = fields.size("conf_num_attention_heads")
    head_dim = fields.share("hidden_size", hidden, "conf_num_attention_heads", heads)
    kernel = fields.size("conf_conv_kernel_size")
    layer = _conformer_params(hidden, head_dim, kernel)
    return weights + second * bins * hidden + fields.layers("conf_num_hidden_layers") * layer


@family("gemma4")
def gemma4(fields: Fields) -> Network:
    """Gemma 4; a tower that the config leaves out is not there."""
    text = text_part(fields, "gemma4_text", fields.flag("tie_word_embeddings", default=True))
    sound = _gemma4_sound(
        with_defaults_of(fields.part("audio_config"), "gemma4_audio_encoder"), text.hidden
    )
    resting: Costs = {"audio": held(sound * fields.states("audio_config"))}
    if not fields.states("vision_config"):
        return before_text(fields, text, lambda inputs: lines(resting, inputs.batch))
    part = with_defaults_of(fields.part("vision_config"), "gemma4_vision")
    sight = _gemma4_sight(part)
    bridge = {**resting, "bridge/project": linear(sight.hidden, text.hidden)}
    fold = part.size("pooling_kernel_size", default=3) ** 2
    return seeing_network(fields, text, sight, bridge, merged=fold)


PATCHES_ACROSS = 48
"""Patches along the image that is counted where none is asked for: 256 tokens of nine. [1]"""


def _gemma4_sight(fields: Fields) -> Vision:
    """Gemma 4's tower: two tables of positions, four RMS norms per layer, no biases."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    kv_heads, head_dim = fields.size("num_key_value_heads"), fields.size("head_dim")
    norms = 2 * head_dim
    attention = multi_head(hidden, heads, head_dim, kv_heads=kv_heads, norm_params=norms)
    width, patch = fields.size("intermediate_size"), fields.size("patch_size")
    rows = 2 * fields.size("position_embedding_size")
    return Vision(
        side=PATCHES_ACROSS * patch,
        wide=PATCHES_ACROSS * patch,
        patch=patch,
        channels=3,
        hidden=hidden,
        prefix=0,
        tables={"embedding/position": table(rows, hidden)},
        layer=layer_costs(attention, Mlp(hidden, width, gated=True), 4 * hidden),
        layers=fields.layers("num_hidden_layers"),
        patch_bias=False,
    )


def _gemma4_sound(fields: Fields, text: int) -> int:
    """Parameters of the conformer for sound and of what leads from it into the text."""
    hidden = fields.size("hidden_size")
    first, second = fields.sizes("subsampling_conv_channels", (128, 32), 2)
    heads = fields.size("num_attention_heads")
    head_dim = fields.share("hidden_size", hidden, "num_attention_heads", heads)
    kernel, out = fields.size("conv_kernel_size"), fields.size("output_proj_dims")
    thinned = 9 * (first + first * second) + first + second + second * (first // 4) * hidden
    layers = fields.layers("num_hidden_layers") * _conformer_params(hidden, head_dim, kernel)
    return thinned + layers + (hidden + 1) * out + out * text


def _conformer_params(hidden: int, head_dim: int, kernel: int) -> int:
    """Parameters of a layer of the conformer [1]."""
    feed_forwards = 2 * (8 * hidden * hidden + 2 * hidden)
    attention = 5 * hidden * hidden + head_dim + 2 * hidden
    convolution = 3 * hidden * hidden + (kernel + 2) * hidden
    return feed_forwards + attention + convolution + hidden
