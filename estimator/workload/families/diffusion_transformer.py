"""How much work a diffusion transformer is, read from a config of diffusers.

Defaults are those of diffusers 0.42. `image_size` is the side of the latent map that the network
gets, in Flux after it is folded by two; `seq_len` the text tokens. The items of a pass are patches.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear, scaled
from estimator.workload.convolution import image, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import diffusers_class

SINE_WIDTH = 256
"""Width of the sines that a time step is turned into before its embedding."""


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Layers over patches, or over patches and text together.

    Parameters
    ----------
    side, patch, text_tokens : int
        Latent and patch sides; tokens of text where the caller gives none, 0 without text. [1]
    per_image, per_patch, per_text, per_both : mapping
        Costs of all layers together, by what they run over; pairs are those that attend.
    inside, among, across : mapping
        Costs per pair of patches, of text tokens, and of a patch and a text token, of layers in
        which patches see only patches, words only words, or patches words.
    before_text, spare : mapping, int
        Costs per text token of what is done before learned tokens join; their number.
    wide, steps : int
        The other side of a latent map that is not square; maps of a video. [1]
    """

    side: int
    patch: int
    text_tokens: int
    first: Costs
    per_image: Costs
    per_patch: Costs
    per_text: Costs = field(default_factory=dict)
    per_both: Costs = field(default_factory=dict)
    inside: Costs = field(default_factory=dict)
    among: Costs = field(default_factory=dict)
    across: Costs = field(default_factory=dict)
    before_text: Costs = field(default_factory=dict)
    spare: int = 0
    wide: int = 0
    steps: int = 1

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, self.side)
        other = side if inputs.image_size is not None else float(self.wide or self.side)
        patches = np.floor_divide(side, self.patch) * np.floor_divide(other, self.patch)
        patches = self.steps * patches
        given = self.text_tokens if inputs.seq_len is None else inputs.seq_len
        text = quantity("seq_len", given) if self.text_tokens else 0.0
        done = [*lines(self.before_text, batch * text)]
        text = text + self.spare
        both = patches + text
        done += lines(self.first, batch * patches, first=True)
        done += lines(self.per_image, batch)
        done += lines(self.per_patch, batch * patches)
        done += lines(self.per_text, batch * text)
        done += lines(self.per_both, batch * both, pairs=batch * both * both)
        done += lines(self.inside, batch * patches, pairs=batch * patches * patches)
        done += lines(self.among, 0.0, pairs=batch * text * text)
        done += lines(self.across, 0.0, pairs=batch * patches * text)
        return Pass(lines=done, items=batch * patches)


def joint_heads(width: int, heads: int, head_dim: int, bias: bool = True) -> Costs:
    """Attention of equal heads, the output with a bias in any case."""
    attention = Attention(hidden=width, heads=heads, kv_heads=heads, head_dim=head_dim)
    return replace(attention, qkv_bias=bias, output_bias=True).costs()


def apart(costs: Costs) -> tuple[Costs, Costs]:
    """Projections, and the products that pairs pay."""
    pairs = {part: cost for part, cost in costs.items() if cost.flop_per_pair}
    return {part: cost for part, cost in costs.items() if part not in pairs}, pairs


def two_dense(inputs: int, width: int) -> Cost:
    """Two dense layers."""
    return linear(inputs, width, bias=True) + linear(width, width, bias=True)


def feed_forward(fields: Fields, width: int, usual: str = "gelu-approximate") -> Costs:
    """An MLP four times as wide, gated where the activation is."""
    gated = fields.text("activation_fn", default=usual) in ("geglu", "swiglu")
    mlp = Mlp(hidden=width, width=4 * width, bias=True, gated=gated)
    return mlp.costs()


@diffusers_class("DiTTransformer2DModel")
def dit(fields: Fields) -> Network:
    """DiT: each layer embeds time and class by itself (arXiv:2212.09748, sec. 3.2)."""
    heads = fields.size("num_attention_heads", default=16)
    head_dim = fields.size("attention_head_dim", default=72)
    width, layers = heads * head_dim, fields.layers("num_layers", default=28)
    patch = fields.size("patch_size", default=2)
    channels = fields.size("in_channels", default=4)
    outputs = fields.size_or_none("out_channels") or channels
    classes = fields.size("num_embeds_ada_norm", default=1000)
    bias = fields.flag("attention_bias", default=True)
    mlp = feed_forward(fields, width)
    affine = fields.flag("norm_elementwise_affine")
    layer = {
        **joint_heads(width, heads, head_dim, bias),
        **mlp,
        "norm/layers": held(2 * width * affine),
    }
    model = Joint(
        side=square(fields, "sample_size", 32),
        patch=patch,
        text_tokens=0,
        first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
        per_image={
            **scaled(
                {
                    "time/embedding": two_dense(SINE_WIDTH, width),
                    "time/class": held((classes + 1) * width),
                    "time/modulation": linear(width, 6 * width, bias=True),
                },
                layers,
            ),
            "head/time": Cost(flop_per_token=two_dense(SINE_WIDTH, width).flop_per_token),
            "head/modulation": linear(width, 2 * width, bias=True),
        },
        per_patch={"head/pixels": linear(width, patch * patch * outputs, bias=True)},
        inside=scaled(layer, layers),
    )
    return network(fields, model.run)


@diffusers_class("FluxTransformer2DModel")
def flux(fields: Fields) -> Network:
    """Flux: layers with two streams that attend together, then layers with one."""
    heads = fields.size("num_attention_heads", default=24)
    head_dim = fields.size("attention_head_dim", default=128)
    width = heads * head_dim
    double = fields.layers("num_layers", default=19)
    single = fields.layers("num_single_layers", default=38)
    channels = fields.size("in_channels", default=64)
    outputs = fields.size_or_none("out_channels") or channels
    pixels = outputs * fields.size("patch_size", default=1) ** 2
    project, pairs = apart(joint_heads(width, heads, head_dim))
    mlp = Mlp(hidden=width, width=4 * width, bias=True).costs()
    stream = scaled({**project, **mlp, "norm/heads": held(2 * head_dim)}, double)
    pooled = fields.size("pooled_projection_dim", default=768)
    words = fields.size("joint_attention_dim", default=4096)
    guided = {"time/guidance": two_dense(SINE_WIDTH, width)}
    modulation = double * 12 + single * 3 + 2
    model = Joint(
        side=64,
        patch=1,
        text_tokens=512,
        first={"embedding/patch": linear(channels, width, bias=True)},
        per_image={
            "time/embedding": two_dense(SINE_WIDTH, width),
            **(guided if fields.flag("guidance_embeds") else {}),
            "time/text": two_dense(pooled, width),
            "time/modulation": linear(width, modulation * width, bias=True),
        },
        per_patch={**stream, "head/pixels": linear(width, pixels, bias=True)},
        per_text={
            "text/project": linear(words, width, bias=True),
            **scaled(stream, 1, "text/"),
        },
        per_both={**scaled(_single(width, head_dim), single), **scaled(pairs, double + single)},
    )
    return network(fields, model.run)


def _single(width: int, head_dim: int) -> Costs:
    """A layer of one stream, whose MLP runs beside its attention."""
    return {
        "single/query_key_value": linear(width, 3 * width, bias=True),
        "single/up": linear(width, 4 * width, bias=True),
        "single/out": linear(5 * width, width, bias=True),
        "norm/single": held(2 * head_dim),
    }


@diffusers_class("SD3Transformer2DModel")
def sd3(fields: Fields) -> Network:
    """Stable Diffusion 3: text and patches as two streams (arXiv:2403.03206, sec. 4)."""
    heads = fields.size("num_attention_heads", default=18)
    head_dim = fields.size("attention_head_dim", default=64)
    width, layers = heads * head_dim, fields.layers("num_layers", default=18)
    patch, channels = fields.size("patch_size", default=2), fields.size("in_channels", default=16)
    outputs = fields.size_or_none("out_channels", default=16) or channels
    normed = 2 * head_dim * fields.states("qk_norm")
    dual = len(fields.items("dual_attention_layers") or [])
    attention = joint_heads(width, heads, head_dim)
    project, pairs = apart(attention)
    mlp = Mlp(hidden=width, width=4 * width, bias=True).costs()
    stream = {**project, **mlp, "norm/heads": held(normed)}
    context = fields.size("caption_projection_dim", default=1152)
    words = fields.size("joint_attention_dim", default=4096)
    modulation = 6 * layers + 6 * (layers - 1) + 2 + 2 + 3 * dual
    again = {**scaled(attention, dual, "second_"), "norm/second": held(dual * normed)}
    model = Joint(
        side=square(fields, "sample_size", 128),
        patch=patch,
        text_tokens=333,
        first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
        per_image={
            "time/embedding": two_dense(SINE_WIDTH, width),
            "time/text": two_dense(fields.size("pooled_projection_dim", default=2048), width),
            "time/modulation": linear(width, modulation * width, bias=True),
        },
        per_patch={
            **scaled(stream, layers),
            "head/pixels": linear(width, patch * patch * outputs, bias=True),
        },
        per_text={
            "text/project": linear(words, context, bias=True),
            **_text_stream(stream, layers),
        },
        per_both=scaled(pairs, layers),
        inside=again,
    )
    return network(fields, model.run)


def _text_stream(stream: Costs, layers: int) -> Costs:
    """The text's side of Stable Diffusion 3, which ends with the keys and values of its last."""
    rest = {
        part: cost
        for part, cost in stream.items()
        if part != "attention/output" and not part.startswith("mlp/")
    }
    return {**scaled(stream, layers - 1, "text/"), **scaled(rest, 1, "text/last_")}
