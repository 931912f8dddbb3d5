"""Which network over series of numbers a config describes: PatchTST, PatchTSMixer, TimesFM.

The length of a series is that of the config; items are patches of all its channels.
"""

from collections.abc import Callable

from estimator.core.messages import refuse
from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    multi_head,
    table,
)
from estimator.networks.convolution import Flow
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, quantity
from estimator.networks.model_class import head_note, task
from estimator.networks.network import Network, Pass, network
from estimator.networks.registry import family

NUMBERS = {"student_t": 3, "normal": 2, "negative_binomial": 2}
"""Parameters of each distribution that a head may put out."""


def patched(fields: Fields, usual: int) -> tuple[int, int, int]:
    """Values of a patch, patches of a channel, and channels."""
    length = fields.size("patch_length", default=usual)
    context = fields.size("context_length", default=32)
    if context <= length:
        key, least = fields.full_name("context_length"), f"patch_length + 1 = {length + 1}"
        raise refuse("config_key_least", key=key, least=least, value=context)
    patches = (context - length) // fields.size("patch_stride", default=usual) + 1
    return length, patches, fields.size("num_input_channels", default=1)


def outputs(fields: Fields, inputs: int, count: int) -> Cost:
    """A head of `count` numbers, or of what a distribution over each takes."""
    if fields.text("loss", default="mse") == "mse":
        return affine(inputs, count)
    kind = fields.counted("distribution_output", "student_t", *NUMBERS)
    return affine(inputs, count).times(NUMBERS[kind])


def series_network(
    fields: Fields, items: int, body: Callable[[Flow], Flow], heads: dict[str, tuple[Cost, float]]
) -> Network:
    """A network over `batch` series: its body, and of `heads` by task the one that it has."""

    def run(inputs: Inputs) -> Pass:
        flow = body(Flow(batch=quantity("batch", inputs.batch), side=1.0))
        cost, times = heads.get(task(fields), (Cost(), 0.0))
        flow = flow.layers({"head/project": cost}, times)
        return Pass(lines=flow.lines, items=flow.batch * items)

    return network(fields, run, head_note(fields, task(fields) in ("", *heads)))


@family("patchtst")
def patchtst(fields: Fields) -> Network:
    """PatchTST: attention between the patches of each channel by itself (arXiv:2211.14730)."""
    (length, patches, channels), hidden = patched(fields, 1), fields.size("d_model", default=128)
    spare, bias = int(fields.flag("use_cls_token")), fields.flag("bias", default=True)
    across = fields.flag("channel_attention")
    heads = fields.size("num_attention_heads", default=4)
    own = equal_heads(fields, hidden, heads, ("d_model", "num_attention_heads"))
    mlp = Mlp(hidden, fields.size("ffn_dim", default=512), bias=bias)
    layer = layer_costs(own, mlp, (4 + 2 * across) * hidden)
    again = {part: cost.again() for part, cost in own.costs().items()}
    shared = fields.flag("share_embedding", default=True)
    stem, tokens = affine(length, hidden), patches + spare
    pooled = fields.values.get("pooling_type", "mean") and fields.text(
        "pooling_type", default="mean"
    )
    width = hidden if pooled or spare else hidden * patches
    ahead = outputs(fields, width, fields.size("prediction_length", default=24))
    targets = fields.size("num_targets", default=1)
    copies = 1 if fields.flag("share_projection", default=True) else channels
    found = {
        "Prediction": (ahead, channels),
        "Regression": (outputs(fields, channels * hidden, targets), 1.0),
        "Classification": (affine(channels * hidden, targets), 1.0),
        "Pretraining": (affine(hidden, length), float(channels * tokens)),
    }

    def body(flow: Flow) -> Flow:
        each, layers = float(channels * tokens), fields.layers("num_hidden_layers", default=3)
        rest = {"embedding/channels": held((channels - 1) * stem.params * (not shared))}
        rest["embedding/position"] = held((tokens + spare) * hidden)
        rest["head/channels"] = held((copies - 1) * ahead.params * (task(fields) == "Prediction"))
        flow = flow.layers({"embedding/patch": stem}, float(channels * patches), first=True)
        flow = flow.dense(rest).layers(layer, each, pairs=each * tokens, times=layers)
        return flow.layers(again, each, pairs=each * channels, times=layers * across)

    return series_network(fields, channels * patches, body, found)


@family("patchtsmixer")
def patchtsmixer(fields: Fields) -> Network:
    """PatchTSMixer: MLPs along patches, features and perhaps channels (arXiv:2306.09364)."""
    (length, patches, channels), hidden = patched(fields, 8), fields.size("d_model", default=8)
    factor = fields.size("expansion_factor", default=2)
    gated = fields.flag("gated_attn", default=True)
    attends = fields.flag("self_attn")
    mixes = fields.text("mode", default="common_channel") == "mix_channel"
    own = equal_heads(
        fields, hidden, fields.size("self_attn_heads", default=1), ("d_model", "self_attn_heads")
    ).costs()
    layers = fields.layers("num_layers", default=3)
    scaled = fields.values.get("scaling", "std") in ("std", "mean", True)

    def mixed(size: int) -> Costs:
        mlp = Mlp(size, factor * size, bias=True).costs()
        return {**mlp, "gate": affine(size, size).times(gated)}

    def body(flow: Flow) -> Flow:
        each = float(channels * patches)
        flow = flow.layers({"embedding/patch": affine(length, hidden)}, each, first=True)
        places = patches * hidden * fields.flag("use_positional_encoding")
        norms = 2 * hidden * (2 + attends + mixes) * layers
        flow = flow.dense({"embedding/position": held(places), "norm/layers": held(norms)})
        values, prefix = float(channels * hidden), "patches/"
        flow = flow.layers(mixed(patches), values, times=layers, prefix=prefix)
        pairs, times = each * patches, layers * attends
        flow = flow.layers(own, each, pairs=pairs, times=times, prefix=prefix)
        flow = flow.layers(mixed(hidden), each, times=layers, prefix="features/")
        flow = flow.layers(
            mixed(channels), float(patches * hidden), times=layers * mixes, prefix="channels/"
        )
        if not scaled or task(fields) not in ("TimeSeriesClassification", "Regression"):
            return flow
        scales = affine(hidden + 2, 2 * hidden, hidden) + affine(2, 4, 2)
        return flow.layers({"head/scales": scales}, each)

    found = _mixer_heads(fields, hidden, (length, patches, channels))
    return series_network(fields, channels * patches, body, found)


def _mixer_heads(
    fields: Fields, hidden: int, shape: tuple[int, int, int]
) -> dict[str, tuple[Cost, float]]:
    """Heads of PatchTSMixer by task; `shape` is that of `patched`."""
    length, patches, channels = shape
    pooled = fields.values.get("head_aggregation", "max_pool") is not None
    width = hidden * channels * (1 if pooled else patches)
    targets = fields.size("num_targets", default=3)
    ahead = fields.size("prediction_length", default=16)
    return {
        "Prediction": (outputs(fields, patches * hidden, ahead), float(channels)),
        "Pretraining": (affine(hidden, length), float(channels * patches)),
        "TimeSeriesClassification": (affine(width, targets), 1.0),
        "Regression": (outputs(fields, width, targets), 1.0),
    }


@family("timesfm")
def timesfm(fields: Fields) -> Network:
    """TimesFM: a decoder over patches, and what follows each of them (arXiv:2310.10688)."""
    hidden, width = fields.size("hidden_size"), fields.size("intermediate_size")
    heads, head_dim = fields.size("num_attention_heads"), fields.size("head_dim")
    length, layers = fields.size("patch_length"), fields.layers("num_hidden_layers")
    patches = fields.size("context_length") // length
    own = multi_head(hidden, heads, head_dim, bias=True, norm_params=head_dim)
    layer = layer_costs(own, Mlp(hidden, width, bias=True), 3 * hidden)
    quantiles = fields.listed("quantiles", (0,) * 9, fewest=0)
    ahead = fields.size("horizon_length") * (1 + len(quantiles))

    def block(inputs: int, out: int) -> Cost:
        return affine(inputs, width, out) + affine(inputs, out)

    found = {"Prediction": (block(hidden, ahead), float(patches))}

    def body(flow: Flow) -> Flow:
        each = float(patches)
        flow = flow.layers({"embedding/patch": block(2 * length, hidden)}, each, first=True)
        flow = flow.dense({"embedding/frequency": table(fields.size("freq_size"), hidden)})
        return flow.attending(layer, each, times=layers)

    return series_network(fields, patches, body, found)


@family("timesfm2_5")
def timesfm2_5(fields: Fields) -> Network:
    """TimesFM 2.5: rotary positions, two heads; each series is seen upside down, too."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    kv_heads, head_dim = fields.size("num_key_value_heads"), fields.size("head_dim")
    fields.share("num_attention_heads", heads, "num_key_value_heads", kv_heads)
    length, layers = fields.size("patch_length"), fields.layers("num_hidden_layers")
    patches = fields.size("context_length") // length
    bias, attends = fields.flag("use_bias"), fields.flag("attention_bias")
    norms = 3 * head_dim
    own = multi_head(hidden, heads, head_dim, kv_heads=kv_heads, bias=attends, norm_params=norms)
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size"), bias=bias)
    layer = layer_costs(own, mlp, 4 * hidden)
    values = 1 + len(fields.listed("quantiles", (0,) * 9, fewest=0))
    seen = 1 + fields.flag("force_flip_invariance", default=True)

    def block(inputs: int, out: int, bias: bool) -> Cost:
        dense = linear(inputs, hidden, bias) + linear(hidden, out, bias)
        return dense + linear(inputs, out, bias)

    ahead = (fields.size("horizon_length"), fields.size("output_quantile_len"))
    heads_ahead = [block(hidden, steps * values, False) for steps in ahead]
    found = {"Prediction": (heads_ahead[0] + heads_ahead[1], float(seen * patches))}

    def body(flow: Flow) -> Flow:
        each = float(seen * patches)
        stem = {"embedding/patch": block(2 * length, hidden, True)}
        flow = flow.layers(stem, each, first=True)
        return flow.layers(layer, each, pairs=each * patches, times=layers)

    return series_network(fields, patches, body, found)
