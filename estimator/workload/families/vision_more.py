"""Which further vision transformer a config describes: ViT-MAE, VideoMAE, ViViT, I-JEPA, AST, DPT.

Defaults are those of transformers 5.23. Videos are counted at the frames that the config states;
the audio spectrogram transformer at the length of its config.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import image, ratio, sizes
from estimator.workload.families.encoder import task
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.families.vision import Vision, network, trunk, with_heads
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Network, Pass, Reach, lines


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A vision transformer that sees a share of the patches, and a decoder that sees all.

    Parameters
    ----------
    sight : Vision
        The encoder.
    hidden : float
        Share of the patches that are hidden from it. [1]
    decoder, decoder_layer : mapping
        Costs per position of the decoder outside its layers, and in each.
    decoder_layers : int
        Layers of the decoder, 0 without one. [1]
    bridge : mapping
        Costs per position that comes from the encoder.
    """

    sight: Vision
    hidden: float
    decoder: Costs
    decoder_layer: Costs
    decoder_layers: int
    bridge: Costs

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images."""
        batch, pixels = image(inputs, self.sight.side)
        patches, positions = self.sight.positions(pixels)
        kept = (patches * (1.0 - self.hidden)) // 1.0 + self.sight.prefix
        bare = replace(self.sight, layers=0)
        done = [*bare.lines(batch, pixels)]
        reach = Reach(tokens=batch * kept, pairs=batch * kept * kept, times=self.sight.layers)
        done += lines(self.sight.layer, reach)
        done += lines(self.bridge, Reach(tokens=batch * kept), "decoder/")
        every, pairs = batch * positions, batch * positions * positions
        deep = Reach(tokens=every, pairs=pairs, times=self.decoder_layers)
        done += lines(self.decoder_layer, deep, "decoder/")
        done += lines(self.decoder, Reach(tokens=every), "decoder/")
        return Pass(lines=done, tokens=batch * kept)


def vit_mae(fields: Fields) -> Network:
    """ViT-MAE: a quarter of the patches is seen (arXiv:2111.06377, sec. 3)."""
    sight = trunk(fields)
    pretrains = task(fields) == "PreTraining"
    width = fields.size("decoder_hidden_size", default=512)
    heads = fields.size("decoder_num_attention_heads", default=16)
    attention = Attention(
        hidden=width,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("decoder_hidden_size", width, "decoder_num_attention_heads", heads),
        qkv_bias=fields.flag("qkv_bias", default=True),
        output_bias=True,
    )
    mlp = Mlp(hidden=width, width=fields.size("decoder_intermediate_size", default=2048), bias=True)
    rows = (sight.side // sight.patch) ** 2 + 1
    pixels = sight.patch**2 * sight.channels
    decoder: Costs = {
        "tables": held((rows + 1) * width + 2 * width),
        "pixels": linear(width, pixels, bias=True),
    }
    model = Masked(
        sight=sight,
        hidden=ratio(fields, "mask_ratio", 0.75),
        decoder=decoder if pretrains else {},
        decoder_layer={**attention.costs(), **mlp.costs(), "norm/layers": held(4 * width)},
        decoder_layers=fields.layers("decoder_num_hidden_layers", default=8) if pretrains else 0,
        bridge={"embed": linear(sight.hidden, width, bias=True)} if pretrains else {},
    )
    known = not task(fields) or pretrains
    note = () if known else (f"the head of {class_name(fields)} is not counted",)
    return Network(
        run=model.run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + note,
    )


def _video(fields: Fields, frames: int, depth: int) -> Vision:
    """A trunk over tubes of `depth` frames."""
    vision = trunk(fields)
    steps = fields.size("num_frames", default=frames) // depth
    return replace(vision, channels=depth * vision.channels, steps=steps)


def videomae(fields: Fields) -> Network:
    """VideoMAE: tubes of two frames, fixed positions, no class token (arXiv:2203.12602)."""
    vision = _video(fields, 16, fields.size("tubelet_size", default=2))
    hidden = vision.hidden
    bias = fields.flag("qv_bias", default=True)
    layer = {
        **vision.layer,
        "attention/query": linear(hidden, hidden, bias),
        "attention/key": linear(hidden, hidden),
        "attention/value": linear(hidden, hidden, bias),
    }
    mean = fields.flag("use_mean_pooling", default=True)
    classifies = task(fields) == "VideoClassification"
    tables = {"norm/outer": held(2 * hidden * (not mean or classifies))}
    once = {"head/classifier": linear(hidden, label_count(fields), bias=True)}
    vision = replace(vision, prefix=0, layer=layer, tables=tables, once=once if classifies else {})
    return network(fields, vision)


def vivit(fields: Fields) -> Network:
    """ViViT: tubes, a class token, all in one attention (arXiv:2103.15691, sec. 3)."""
    tube = sizes(fields, "tubelet_size", (2, 16, 16), 3)
    fields = replace(fields, values={**fields.values, "patch_size": tube[1]})
    vision = _video(fields, 32, tube[0])
    rows = vision.steps * (vision.side // vision.patch) ** 2 + 1
    tables = {**vision.tables, "embedding/position": held(rows * vision.hidden)}
    vision = replace(vision, tables=tables)
    if task(fields) == "VideoClassification":
        once = {"head/classifier": linear(vision.hidden, label_count(fields), bias=True)}
        return network(fields, replace(vision, once=once))
    return network(fields, with_heads(fields, vision))


def ijepa(fields: Fields) -> Network:
    """I-JEPA: no class token, patches are averaged (arXiv:2301.08243)."""
    vision = trunk(fields)
    rows = (vision.side // vision.patch) ** 2
    tables = {
        "embedding/position": held(rows * vision.hidden),
        "norm/outer": held(2 * vision.hidden),
    }
    vision = replace(vision, prefix=0, tables=tables)
    return network(fields, with_heads(fields, vision) if task(fields) else vision)


def spectrogram(fields: Fields) -> Network:
    """AST: a transformer over overlapping patches of a spectrogram (arXiv:2104.01778, sec. 2)."""
    vision = trunk(fields)
    hidden, patch = vision.hidden, vision.patch
    mel = fields.size("num_mel_bins", default=128)
    frames = fields.size("max_length", default=1024)
    wide = (mel - patch) // fields.size("frequency_stride", default=10) + 1
    long = (frames - patch) // fields.size("time_stride", default=10) + 1
    patches = wide * long
    tables = {
        "embedding/class": held(2 * hidden),
        "embedding/position": held((patches + 2) * hidden),
        "norm/outer": held(2 * hidden),
    }
    once: Costs = {}
    if task(fields) == "AudioClassification":
        once = {
            "head/classifier": linear(hidden, label_count(fields), bias=True),
            "norm/head": held(2 * hidden),
        }
    conv = {"embedding/patch": linear(patch * patch, hidden, bias=True)}

    def run(inputs: Inputs) -> Pass:
        batch = quantity("batch", inputs.batch)
        tokens = batch * (patches + 2.0)
        reach = Reach(tokens=tokens, pairs=tokens * (patches + 2.0), times=vision.layers)
        done = [*lines(conv, Reach(tokens=batch * float(patches), first=True))]
        done += lines(tables, Reach(tokens=batch))
        done += lines(vision.layer, reach)
        return Pass(lines=[*done, *lines(once, Reach(tokens=batch))], tokens=tokens)

    return Network(
        run=run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes,
    )


def timesformer(fields: Fields) -> Network:
    """TimeSformer: attention over time, then over space (arXiv:2102.05095, sec. 3)."""
    kind = fields.text("attention_type", default="divided_space_time")
    if kind != "divided_space_time":
        raise ValueError(f"attention_type {kind!r} is not known: only divided_space_time is")
    vision = trunk(fields)
    hidden, steps = vision.hidden, fields.size("num_frames", default=8)
    attends = {k: cost for k, cost in vision.layer.items() if k.startswith("attention/")}
    rest = {k: cost for k, cost in vision.layer.items() if not k.startswith("attention/")}
    time = {f"time/{part}": cost for part, cost in attends.items()}
    time |= {"time/dense": linear(hidden, hidden, bias=True), "norm/time": held(2 * hidden)}
    tables = {**vision.tables, "embedding/time": held(steps * hidden)}
    classifies = task(fields) == "VideoClassification"
    head = {"head/classifier": linear(hidden, label_count(fields), bias=True)} if classifies else {}
    bare = replace(vision, steps=steps, tables=tables, layers=0, once=head)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, vision.side)
        patches = bare.positions(pixels)[0]
        frame = patches / steps
        seen, times = batch * steps * (frame + 1.0), vision.layers
        done = [*bare.lines(batch, pixels)]
        reach = Reach(tokens=batch * patches, pairs=batch * patches * steps, times=times)
        done += lines(time, reach)
        done += lines(attends, Reach(tokens=seen, pairs=seen * (frame + 1.0), times=times))
        done += lines(rest, Reach(tokens=batch * (patches + 1.0), times=times))
        return Pass(lines=done, tokens=batch * (patches + 1.0))

    return Network(
        run=run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes,
    )


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "vit_mae": vit_mae,
    "videomae": videomae,
    "vivit": vivit,
    "timesformer": timesformer,
    "ijepa": ijepa,
    "audio-spectrogram-transformer": spectrogram,
}
