"""Vision transformers: ViT, DeiT, I-JEPA, BEiT, DINO.

data2vec-vision is read as BEiT. The items of a pass are the positions that pass the layers:
patches, class token and registers. The patch convolution needs no gradient of its input.
"""

from dataclasses import dataclass, field, replace

from estimator.networks.blocks import (
    Costs,
    Mlp,
    affine,
    equal_heads,
    layer_costs,
    linear,
    params_only,
    table,
)
from estimator.networks.convolution import (
    image,
    positive,
    ratio,
    rectangle,
    square,
    windows,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity, quantity
from estimator.networks.model_class import classifier, head_note, label_head, task
from estimator.networks.network import Line, Network, Pass, lines, network
from estimator.networks.registry import families, family


@dataclass(frozen=True, kw_only=True)
class Vision:
    """Vision transformer.

    Parameters
    ----------
    side, patch, channels, hidden : int
        Height of an image and side of a patch [pixel]; image channels; width of a layer. [1]
    wide : int
        Width of an image [pixel].
    prefix : int
        Tokens before the patches: class, distillation, registers. [1]
    tables : mapping
        Parameters that multiply nothing: tokens, positions, outer norms.
    layer : mapping
        Costs of one layer.
    layers : int
        Layers. [1]
    after, once : mapping
        Heads over every patch, and per image.
    patch_bias : bool
        Whether the patch convolution has a bias.
    steps : int
        Patches in time, more than one for videos [1].
    """

    side: int
    wide: int
    patch: int
    channels: int
    hidden: int
    prefix: int
    tables: Costs
    layer: Costs
    layers: int
    after: Costs = field(default_factory=dict)
    once: Costs = field(default_factory=dict)
    patch_bias: bool = True
    steps: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        """Patches along the height and width of an image of the config."""
        return self.side // self.patch, self.wide // self.patch

    def positions(self, pixels: Quantity) -> tuple[Quantity, Quantity]:
        """Return the patches of an image, and all positions in the layers."""
        grid = windows(pixels, self.patch, self.patch)
        patches = self.steps * grid * grid
        return patches, patches + self.prefix

    def lines(self, batch: Quantity, pixels: Quantity) -> list[Line]:
        """Return the ledger lines of one pass over square images with `pixels` per side."""
        return self.over(batch, self.positions(pixels)[0])

    def over(self, batch: Quantity, patches: Quantity) -> list[Line]:
        """Return the ledger lines of one pass over images of so many patches."""
        positions = patches + self.prefix
        patch = linear(self.patch**2 * self.channels, self.hidden, self.patch_bias)
        done = [*lines({"embedding/patch": patch}, batch * patches, first=True)]
        done += lines(self.tables, batch)
        tokens, pairs = batch * positions, batch * positions * positions
        done += lines(self.layer, tokens, pairs=pairs, times=self.layers)
        done += lines(self.after, batch * patches)
        return [*done, *lines(self.once, batch)]

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images, square if a side is given."""
        if self.wide != self.side and inputs.image_size is None:
            high, wide = (
                windows(float(one), self.patch, self.patch) for one in (self.side, self.wide)
            )
            return self.passed(quantity("batch", inputs.batch), self.steps * high * wide)
        batch, pixels = image(inputs, self.side)
        return self.passed(batch, self.positions(pixels)[0])

    def passed(self, batch: Quantity, patches: Quantity) -> Pass:
        """Pass over a number of patches each."""
        return Pass(lines=self.over(batch, patches), items=batch * (patches + self.prefix))


def vision_network(fields: Fields, vision: Vision) -> Network:
    """Build the named network of a vision transformer."""
    counted = not task(fields) or vision.after or vision.once
    return network(fields, vision.run, head_note(fields, counted))


def trunk(
    fields: Fields,
    prefix: int = 1,
    *,
    bias: bool = True,
    gated: bool = False,
    norm: int = 2,
    oblong: bool = False,
) -> Vision:
    """Build patches after learned tokens, positions, and layers.

    `bias` applies to all matrices of a layer unless the config states it for queries, keys and
    values; `gated` to the MLP; `norm` is the parameters per channel of a norm; `oblong` allows
    images that are not square.
    """
    hidden = fields.size("hidden_size", default=768)
    patch = square(fields, "patch_size", 16)
    sides = rectangle(fields, "image_size", 224) if oblong else (square(fields, "image_size", 224),)
    heads = fields.size("num_attention_heads", default=12)
    keys = ("hidden_size", "num_attention_heads")
    projected = fields.flag("qkv_bias", default=bias)
    attention = equal_heads(fields, hidden, heads, keys, projected, output_bias=bias)
    width = fields.size("intermediate_size", default=3072)
    mlp = Mlp(hidden, width, gated=gated, bias=bias)
    high, wide = sides[0], sides[-1]
    return Vision(
        side=high,
        wide=wide,
        patch=patch,
        channels=fields.size("num_channels", default=3),
        hidden=hidden,
        prefix=prefix,
        tables={
            "embedding/class": params_only(prefix * hidden),
            "embedding/position": table((high // patch) * (wide // patch) + prefix, hidden),
            "norm/outer": params_only(2 * hidden),
        },
        layer=layer_costs(attention, mlp, 2 * norm * hidden),
        layers=fields.layers("num_hidden_layers", default=12),
    )


def keys_without_bias(layer: Costs, hidden: int) -> Costs:
    """Return a layer whose queries and values have a bias, but not its keys."""
    one = affine(hidden, hidden)
    own = {"attention/query": one, "attention/key": linear(hidden, hidden), "attention/value": one}
    return {**layer, **own}


def vit(row: tuple[int, bool], fields: Fields) -> Network:
    """Build ViT, by its tokens before the patches and whether the bare trunk has a pooler."""
    prefix, pooled = row
    vision = trunk(fields, prefix, oblong=True)
    return vision_network(fields, with_heads(fields, vision) if pooled or task(fields) else vision)


families(
    vit,
    {
        "vit": (1, True),  # arXiv:2010.11929
        "deit": (2, True),  # a distillation token too, arXiv:2012.12877
        "vit_msn": (1, False),  # arXiv:2204.07141
        "ijepa": (0, False),  # patches are averaged, arXiv:2301.08243
    },
)


def with_heads(fields: Fields, vision: Vision) -> Vision:
    """Add the head of the class: pooler, classifiers, or pixels of masked patches."""
    kind, hidden = task(fields), vision.hidden
    if kind.startswith("ImageClassification"):
        part = label_head(fields, hidden)
        once = {"head/classifier": part}
        if kind.endswith("WithTeacher") and vision.prefix == 2:
            once["head/distillation"] = part
        return replace(vision, once=once)
    if kind == "MaskedImageModeling":
        pixels = fields.size("encoder_stride", default=16) ** 2 * vision.channels
        tables = {**vision.tables, "embedding/mask": params_only(hidden)}
        after = {"head/pixels": affine(hidden, pixels)}
        return replace(vision, tables=tables, after=after)
    if kind:
        return vision
    width = fields.size_or_none("pooler_output_size") or hidden
    return replace(vision, once={"pooler": affine(hidden, width)})


def beit(pooling: tuple[str, ...], fields: Fields) -> Network:
    """Build BEiT: distance biases, layer scale, no key biases (arXiv:2106.08254)."""
    absolute = fields.flag("use_absolute_position_embeddings")
    vision = trunk(fields, oblong=not absolute)
    hidden, (high, wide) = vision.hidden, vision.grid
    heads = fields.size("num_attention_heads", default=12)
    distances = ((2 * high - 1) * (2 * wide - 1) + 3) * heads
    own = fields.flag("use_relative_position_bias")
    shared = fields.flag("use_shared_relative_position_bias")
    mean = fields.flag("use_mean_pooling", default=True)
    pooled = task(fields) in pooling
    masked = task(fields) == "MaskedImageModeling"
    layer = {
        **keys_without_bias(vision.layer, hidden),
        "attention/relative_bias": params_only(distances * own),
        "norm/scale": params_only(2 * hidden * positive(fields, "layer_scale_init_value", 0.1)),
    }
    tables = {
        "embedding/class": params_only(hidden),
        "embedding/mask": params_only(hidden * fields.flag("use_mask_token")),
        "embedding/position": table((high * wide + 1) * hidden, absolute),
        "attention/shared_bias": params_only(distances * shared),
        "norm/outer": params_only(2 * hidden * ((not mean) + (mean and pooled) + masked)),
    }
    vocab = fields.size("vocab_size", default=8192)
    after = {"head/tokens": affine(hidden, vocab)} if masked else {}
    once = classifier(fields, hidden)
    vision = replace(vision, layer=layer, tables=tables, after=after, once=once)
    return vision_network(fields, vision)


def dinov2(registers: bool, fields: Fields) -> Network:
    """Build DINOv2: layer scale, wide classifier, optional registers (arXiv:2304.07193)."""
    vision = dinov2_sight(registers, fields)
    once = classifier(fields, 2 * vision.hidden)
    return vision_network(fields, replace(vision, once=once))


def dinov2_sight(registers: bool, fields: Fields) -> Vision:
    """Build DINOv2's tower, with optional registers."""
    vision = trunk(fields)
    hidden = vision.hidden
    extra = fields.size("num_register_tokens", least=0) if registers else 0
    masks = registers or fields.flag("use_mask_token", default=True)
    tables = {
        **vision.tables,
        "embedding/mask": params_only(hidden * masks),
        "embedding/register": params_only(extra * hidden),
    }
    width, gated = int(hidden * ratio(fields, "mlp_ratio", 4)), fields.flag("use_swiglu_ffn")
    if gated:  # two thirds of the width, rounded up to eight
        width = (int(width * 2 / 3) + 7) // 8 * 8
    mlp = Mlp(hidden, width, gated=gated, bias=True).costs()
    layer = {**vision.layer, **mlp, "norm/scale": params_only(2 * hidden)}
    return replace(vision, prefix=1 + extra, tables=tables, layer=layer)


@family("dinov3_vit")
def dinov3(fields: Fields) -> Network:
    """Build DINOv3."""
    return vision_network(fields, dinov3_sight(fields))


def dinov3_sight(fields: Fields) -> Vision:
    """Build DINOv3's tower: rotary positions, registers, individual biases (arXiv:2508.10104)."""
    vision = trunk(fields, oblong=True)
    hidden = vision.hidden
    registers = fields.size("num_register_tokens", default=0, least=0)
    mlp = Mlp(
        hidden,
        fields.size("intermediate_size"),
        gated=fields.flag("use_gated_mlp"),
        bias=fields.flag("mlp_bias", default=True),
    )
    layer = {**vision.layer, **mlp.costs(), "norm/scale": params_only(2 * hidden)}
    for part, key in (("query", "query"), ("key", "key"), ("value", "value"), ("output", "proj")):
        bias = fields.flag(f"{key}_bias", default=key != "key")
        layer[f"attention/{part}"] = linear(hidden, hidden, bias)
    tables = {
        "embedding/class": params_only((1 + registers) * hidden),
        "embedding/mask": params_only(hidden * fields.flag("use_mask_token", default=True)),
        "norm/outer": params_only(2 * hidden),
    }
    return replace(vision, prefix=1 + registers, tables=tables, layer=layer)


families(beit, {"beit": ("", "ImageClassification"), "data2vec-vision": ("ImageClassification",)})
families(dinov2, {"dinov2": False, "dinov2_with_registers": True})
