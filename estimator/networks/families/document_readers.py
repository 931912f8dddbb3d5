"""Which model that reads pages it is: GOT-OCR 2, HunyuanOCR (hunyuan_vl), ModernVBERT.

A pass holds one page per sequence; its tokens are part of the sequence, so `seq_len` counts them.
"""

from collections.abc import Iterable
from dataclasses import replace

from estimator.networks.blocks import affine, held, table
from estimator.networks.convolution import Conv, Flow, image, windows
from estimator.networks.families.clip import siglip_sight
from estimator.networks.families.sam import sight
from estimator.networks.families.vision_language import (
    SIDE_OF_ANY,
    Text,
    any_tied,
    before_text,
    behind_tower,
    dense_bridge,
    either_tied,
    seeing_network,
    text_part,
)
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import class_name, label_count
from estimator.networks.network import Line, Network, lines, prefixed
from estimator.networks.registry import family, known_families, with_defaults_of


@family("got_ocr2")
def got_ocr2(fields: Fields) -> Network:
    """GOT-OCR 2: the encoder of Segment Anything, two convolutions (arXiv:2409.01704, sec. 3)."""
    text = text_part(fields, "qwen2", either_tied(fields, True))
    vision = with_defaults_of(fields.part("vision_config"), "got_ocr2_vision")
    side, encode = sight(vision.with_values({"mlp_dim": vision.size("mlp_dim")}))
    maps, width = vision.size("output_channels"), text.hidden
    shrink = Conv(maps, 2 * maps, stride=2, norm=False), Conv(2 * maps, width, stride=2, norm=False)
    project = {"bridge/project": affine(width, width)}

    def seen(inputs: Inputs) -> Iterable[Line]:
        batch, pixels = image(inputs, side)
        flow = encode(Flow(batch=batch, side=pixels)).convs("bridge/convolution", shrink)
        return prefixed(flow.layers(project).lines, "vision/")

    return before_text(fields, text, seen)


@family("hunyuan_vl")
def hunyuan_vl(fields: Fields) -> Network:
    """HunyuanOCR: patches convolved to fewer, wider tokens, and one more for each row of them."""
    text = text_part(fields, "hunyuan_vl_text", any_tied(fields, default=True))
    vision = with_defaults_of(fields.part("vision_config"), "hunyuan_vl_vision")
    tower = trunk(vision.with_values({"image_size": SIDE_OF_ANY}), prefix=0)
    hidden, merge = tower.hidden, vision.size("spatial_merge_size")
    rows = (vision.size("max_image_size") // tower.patch) ** 2 + 1
    tower = replace(tower, tables={"embedding/position": table(rows, hidden)})
    merged = {
        "bridge/merge": affine(merge**2 * hidden, 2 * hidden),
        "bridge/in": affine(2 * hidden, 4 * hidden),
    }
    project = {"bridge/project": affine(4 * hidden, text.hidden)}
    around = {"bridge/ends": held(5 * hidden + 4 * text.hidden)}

    def bridged(batch: Quantity, patches: Quantity) -> Iterable[Line]:
        grid = windows(patches**0.5, merge, merge)
        yield from lines(around, batch)
        yield from lines(merged, batch * grid * grid)
        yield from lines(project, batch * grid * (grid + 1.0))

    return behind_tower(fields, text, tower, bridged)


@family("modernvbert")
def modernvbert(fields: Fields) -> Network:
    """ModernVBERT: SigLIP's tower, pixels shuffled, ModernBERT (arXiv:2510.01149, sec. 3)."""
    name = class_name(fields).replace("VBert", "Bert")
    stated = {
        "architectures": [name or "ModernBertForMaskedLM"],
        "num_labels": label_count(fields),
        "id2label": None,
        "tie_word_embeddings": fields.flag("tie_word_embeddings"),
    }
    part = fields.part("text_config")
    part.counted("model_type", "modernbert")
    part = with_defaults_of(part, "modernbert")
    text = Text(
        model=known_families()["modernbert"](part.with_values(stated)),
        hidden=part.size("hidden_size", default=768),
    )
    sight = siglip_sight(fields.part("vision_config"))
    merge = fields.size("pixel_shuffle_factor", default=4) ** 2
    bridge = dense_bridge(merge * sight.hidden, text.hidden, bias=False)
    return seeing_network(fields, text, sight, bridge, merged=merge)
