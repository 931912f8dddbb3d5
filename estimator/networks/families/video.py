"""Which vision transformer over videos a config describes: VideoMAE, ViViT, TimeSformer, V-JEPA.

Videos are counted at the frames that the config states.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.core.units import in_percent
from estimator.networks.blocks import affine, held, linear, table
from estimator.networks.convolution import image, ratio
from estimator.networks.families.vit import (
    Vision,
    keys_without_bias,
    masked_autoencoder,
    pixel_decoder,
    trunk,
    vision_network,
    with_heads,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import classifier, head_note, task
from estimator.networks.network import Line, Network, Pass, lines, network
from estimator.networks.registry import family


def _video(fields: Fields, frames: int, depth: int) -> Vision:
    """A trunk over tubes of `depth` frames."""
    vision = trunk(fields)
    steps = fields.size("num_frames", default=frames) // depth
    return replace(vision, channels=depth * vision.channels, steps=steps)


@family("videomae")
def videomae(fields: Fields) -> Network:
    """VideoMAE: tubes of two frames, fixed positions, no class token (arXiv:2203.12602)."""
    vision = _video(fields, 16, fields.size("tubelet_size", default=2))
    hidden = vision.hidden
    bias = fields.flag("qv_bias", default=True)
    layer = keys_without_bias(vision.layer, hidden, bias)
    mean = fields.flag("use_mean_pooling", default=True)
    classifies = task(fields) == "VideoClassification"
    tables = {"norm/outer": held(2 * hidden * (not mean or classifies))}
    once = classifier(fields, hidden, "VideoClassification")
    vision = replace(vision, prefix=0, layer=layer, tables=tables, once=once)
    if task(fields) == "PreTraining":
        return _masked(fields, vision, bias)
    return vision_network(fields, vision)


MASKED_SHARE = 0.9
"""Share of the tubes that pretraining hides; Z. Tong et al. 2022, arXiv:2203.12602, sec. 3.3."""


def _masked(fields: Fields, vision: Vision, bias: bool) -> Network:
    """VideoMAE in pretraining: a tenth of the tubes passes the encoder, all pass the decoder."""
    decoder = pixel_decoder(fields)
    width = decoder.hidden
    decoder = replace(decoder, layer=keys_without_bias(decoder.layer, width, bias))
    tables = {"embedding/mask": held(width), "norm/outer": held(2 * width)}
    bridge = {"embed": linear(vision.hidden, width), **tables}
    pixels = {"pixels": affine(width, vision.patch**2 * vision.channels)}

    def kept(tubes: Quantity) -> Quantity:
        return tubes - (MASKED_SHARE * tubes) // 1.0

    run = masked_autoencoder(vision, decoder, kept, bridge, pixels, whole=False)
    note = f"counted with {in_percent(MASKED_SHARE)} of the tubes masked"
    return network(fields, run, (note,))


@family("vivit")
def vivit(fields: Fields) -> Network:
    """ViViT: tubes, a class token, all in one attention (arXiv:2103.15691, sec. 3)."""
    tube = fields.sizes("tubelet_size", (2, 16, 16), 3)
    fields = fields.with_values({"patch_size": tube[1]})
    vision = _video(fields, 32, tube[0])
    rows = vision.steps * (vision.side // vision.patch) ** 2 + 1
    tables = {**vision.tables, "embedding/position": table(rows, vision.hidden)}
    vision = replace(vision, tables=tables)
    if once := classifier(fields, vision.hidden, "VideoClassification"):
        return vision_network(fields, replace(vision, once=once))
    return vision_network(fields, with_heads(fields, vision))


@family("timesformer")
def timesformer(fields: Fields) -> Network:
    """TimeSformer: attention over time, then over space (arXiv:2102.05095, sec. 3)."""
    fields.counted("attention_type", "divided_space_time")
    vision = trunk(fields)
    hidden, steps = vision.hidden, fields.size("num_frames", default=8)
    attends = {k: cost for k, cost in vision.layer.items() if k.startswith("attention/")}
    rest = {k: cost for k, cost in vision.layer.items() if not k.startswith("attention/")}
    time = {f"time/{part}": cost for part, cost in attends.items()}
    time |= {"time/dense": affine(hidden, hidden), "norm/time": held(2 * hidden)}
    tables = {**vision.tables, "embedding/time": held(steps * hidden)}
    head = classifier(fields, hidden, "VideoClassification")
    bare = replace(vision, steps=steps, tables=tables, layers=0, once=head)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, vision.side)
        patches = bare.positions(pixels)[0]
        frame = patches / steps
        seen, times = batch * steps * (frame + 1.0), vision.layers
        done = [*bare.lines(batch, pixels)]
        done += lines(time, batch * patches, pairs=batch * patches * steps, times=times)
        done += lines(attends, seen, pairs=seen * (frame + 1.0), times=times)
        done += lines(rest, batch * (patches + 1.0), times=times)
        return Pass(lines=done, items=batch * (patches + 1.0))

    return network(fields, run)


Passed = Callable[[Quantity, Quantity], list[Line]]
"""From a batch of videos and the tubes of each to lines."""


@family("vjepa2")
def vjepa2(fields: Fields) -> Network:
    """V-JEPA 2: rotary places, and a predictor of all tubes from all tubes (arXiv:2506.09985).

    Under a classifier the predictor rests, and a learned query gathers the tubes.
    """
    hidden, side = fields.size("hidden_size", default=1024), fields.size("crop_size", default=256)
    depth, deep = fields.size("tubelet_size", default=2), fields.size("frames_per_clip", default=64)
    stated = {
        "image_size": side,
        "hidden_size": hidden,
        "num_attention_heads": fields.size("num_attention_heads", default=16),
        "num_hidden_layers": fields.layers("num_hidden_layers", default=24),
        "num_channels": depth * fields.size("in_chans", default=3),
        "intermediate_size": int(hidden * ratio(fields, "mlp_ratio", 4.0)),
    }
    vision = trunk(fields.with_values(stated), prefix=0)
    vision = replace(vision, steps=deep // depth, tables={"norm/outer": held(2 * hidden)})
    classifies = task(fields) == "VideoClassification"
    after = [_predicted(fields, stated, rests=classifies)]
    after += [_pooled(fields, stated)] if classifies else []

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, side)
        tubes = vision.positions(pixels)[0]
        done = vision.over(batch, tubes)
        for passed in after:
            done += passed(batch, tubes)
        return Pass(lines=done, items=batch * tubes)

    return network(fields, run, head_note(fields, classifies or not task(fields)))


def _predicted(fields: Fields, stated: dict[str, int], *, rests: bool) -> Passed:
    """The predictor, which gets all tubes and as many masks."""
    hidden, width = stated["hidden_size"], fields.size("pred_hidden_size", default=384)
    guessing = {
        "hidden_size": width,
        "intermediate_size": int(width * ratio(fields, "pred_mlp_ratio", 4)),
        "num_attention_heads": fields.size("pred_num_attention_heads", default=12),
        "num_hidden_layers": fields.layers("pred_num_hidden_layers", default=12),
    }
    part = trunk(fields.with_values({**stated, **guessing}), prefix=0)
    masks = {"masks": held((fields.size("pred_num_mask_tokens", default=10) + 2) * width)}
    ends, name = {"into": affine(hidden, width), "back": affine(width, hidden)}, "predictor/"

    def passed(batch: Quantity, tubes: Quantity) -> list[Line]:
        every = 0.0 if rests else batch * tubes
        both, pairs = 2.0 * every, 4.0 * every * tubes
        done = [*lines(ends, every, prefix=name), *lines(masks, batch, prefix=name)]
        return [*done, *lines(part.layer, both, pairs=pairs, times=part.layers, prefix=name)]

    return passed


def _pooled(fields: Fields, stated: dict[str, int]) -> Passed:
    """Layers over the tubes, then a learned query that asks them, and the labels."""
    hidden, layers = stated["hidden_size"], fields.layers("num_pooler_layers", default=3)
    wide = {"intermediate_size": 4 * hidden, "qkv_bias": True}
    layer = trunk(fields.with_values({**stated, **wide})).layer
    seen = {part: layer[part] for part in ("attention/key", "attention/value")}
    rest = (*seen, "attention/output")
    asks = {part: cost for part, cost in layer.items() if part not in rest}
    once = {"pooler/query": held(hidden), **classifier(fields, hidden, "VideoClassification")}

    def passed(batch: Quantity, tubes: Quantity) -> list[Line]:
        every = batch * tubes
        done = [*lines(layer, every, pairs=every * tubes, times=layers, prefix="pooler/")]
        done += lines(seen, every, prefix="pooler/cross_")
        done += lines(asks, batch, pairs=every, prefix="pooler/cross_")
        return [*done, *lines(once, batch)]

    return passed
