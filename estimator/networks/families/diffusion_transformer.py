"""Diffusion transformers of diffusers: DiT, Stable Diffusion 3 and Flux.

Defaults are those of diffusers 0.42. `image_size` is the side of the latent map, for Flux after
folding by two; `seq_len` is the text tokens. The items of a pass are patches. The other
transformers of diffusers are compiled.
"""

from dataclasses import dataclass, field

from estimator.networks.blocks import Cost, Costs, Mlp, affine, linear, params_only, scaled
from estimator.networks.convolution import image, square
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network, Pass, length, lines, network
from estimator.networks.registry import diffusers_class

SINE_WIDTH = 256
"""Width of the sinusoidal time-step encoding before its embedding."""


@dataclass(frozen=True, kw_only=True)
class TransformerSizes:
    """Model and head width, layers, patch side, and input and output values per patch."""

    width: int
    head_dim: int
    layers: int
    patch: int
    patch_inputs: int
    patch_outputs: int


def patch_sizes(fields: Fields, folded: bool = False) -> TransformerSizes:
    """Return the patch sizes of a config, optionally folded to one position beforehand."""
    head_dim, channels = fields.size("attention_head_dim"), fields.size("in_channels")
    patch = fields.size("patch_size")
    area = patch * patch
    return TransformerSizes(
        width=fields.size("num_attention_heads") * head_dim,
        head_dim=head_dim,
        layers=fields.layers("num_layers"),
        patch=1 if folded else patch,
        patch_inputs=channels if folded else channels * area,
        patch_outputs=(fields.size_or_none("out_channels") or channels) * area,
    )


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Layers over patches, or jointly over patches and text.

    Parameters
    ----------
    sizes : TransformerSizes
        Sizes from the config.
    side, text_tokens : int
        Default side of the latent map, and default text tokens; 0 without text [1].
    per_image, per_patch, per_text, per_both : mapping
        Costs of all layers together, per image, image patch, text token, and attended pair.
    """

    sizes: TransformerSizes
    side: int
    text_tokens: int = 0
    per_image: Costs
    per_patch: Costs = field(default_factory=dict)
    per_text: Costs = field(default_factory=dict)
    per_both: Costs = field(default_factory=dict)

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, self.side)
        sizes = self.sizes
        patches = (side // sizes.patch) ** 2
        text = length(inputs, self.text_tokens) if self.text_tokens else 0.0
        both = patches + text
        stem = {"embedding/patch": affine(sizes.patch_inputs, sizes.width)}
        pixels = {"head/pixels": affine(sizes.width, sizes.patch_outputs)}
        done = [*lines(stem, batch * patches, first=True)]
        for costs, positions, pairs in (
            (self.per_image, 1.0, 0.0),
            (self.per_text, text, text * text),
            (self.per_patch, patches, patches * patches),
            (self.per_both, both, both * both),
            (pixels, patches, 0.0),
        ):
            done += lines(costs, batch * positions, pairs=batch * pairs)
        return Pass(lines=done, items=batch * patches)


def projections(width: int, bias: bool = True) -> Costs:
    """Return queries, keys, values and output of attention, all as wide as the model."""
    names = ("query", "key", "value", "output")
    return {f"attention/{one}": linear(width, width, bias) for one in names}


def products(width: int) -> Costs:
    """Score and value products of attention, paid per pair."""
    return {f"attention/{part}": Cost(flop_per_pair=2 * width) for part in ("scores", "reduce")}


def two_dense(inputs: int, width: int) -> Cost:
    """Return two dense layers."""
    return affine(inputs, width, width)


def time_embedding(width: int, vectors: int) -> Costs:
    """Return the cost of the time-step embedding and the layers' modulation vectors."""
    modulation = affine(width, vectors * width)
    return {"time/embedding": two_dense(SINE_WIDTH, width), "time/modulation": modulation}


def stream(sizes: TransformerSizes, *, normed: bool = True) -> Costs:
    """Return one stream's projections and MLP in a layer, optionally with head norms."""
    return {
        **projections(sizes.width),
        **Mlp(sizes.width, 4 * sizes.width, bias=True).costs(),
        "norm/heads": params_only(2 * sizes.head_dim * normed),
    }


@diffusers_class("DiTTransformer2DModel")
def dit(fields: Fields) -> Network:
    """Build DiT: each layer embeds time and class separately (arXiv:2212.09748, sec. 3.2)."""
    sizes = patch_sizes(fields)
    width, embedding = sizes.width, two_dense(SINE_WIDTH, sizes.width)
    once = {
        "time/embedding": embedding,
        "time/class": params_only((fields.size("num_embeds_ada_norm") + 1) * width),
        "time/modulation": affine(width, 6 * width),
    }
    gated = fields.text("activation_fn") in ("geglu", "swiglu")
    layer = {
        **projections(width, fields.flag("attention_bias")),
        "attention/output": affine(width, width),
        **products(width),
        **Mlp(width, 4 * width, bias=True, gated=gated).costs(),
        "norm/layers": params_only(2 * width * fields.flag("norm_elementwise_affine")),
    }
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        per_image={
            **scaled(once, sizes.layers),
            "head/time": Cost(flop_per_token=embedding.flop_per_token),
            "head/modulation": affine(width, 2 * width),
        },
        per_patch=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


@diffusers_class("FluxTransformer2DModel")
def flux(fields: Fields) -> Network:
    """Build Flux: layers with two jointly attending streams, then layers with one."""
    sizes = patch_sizes(fields, folded=True)
    width, double = sizes.width, sizes.layers
    single = fields.size("num_single_layers", least=0, most=MAX_LAYERS)
    layer = stream(sizes)
    alone = {
        "single/query_key_value": affine(width, 3 * width),
        "single/up": affine(width, 4 * width),
        "single/out": affine(5 * width, width),
        "norm/single": params_only(2 * sizes.head_dim),
    }
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=512,
        per_image={
            **time_embedding(width, double * 12 + single * 3 + 2),
            "time/guidance": two_dense(SINE_WIDTH, width).times(fields.flag("guidance_embeds")),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_patch=scaled(layer, double),
        per_text={
            "text/project": affine(fields.size("joint_attention_dim"), width),
            **scaled(layer, double, "text/"),
        },
        per_both={**scaled(alone, single), **scaled(products(width), double + single)},
    )
    return network(fields, model.run)


@diffusers_class("SD3Transformer2DModel")
def sd3(fields: Fields) -> Network:
    """Build Stable Diffusion 3: text and patches as two streams (arXiv:2403.03206, sec. 4).

    The text stream ends with the keys and values of its last layer.
    """
    sizes = patch_sizes(fields)
    width, layers, normed = sizes.width, sizes.layers, fields.states("qk_norm")
    dual = len(fields.items("dual_attention_layers") or [])
    layer = stream(sizes, normed=normed)
    context, words = fields.size("caption_projection_dim"), fields.size("joint_attention_dim")
    norms = params_only(2 * sizes.head_dim * normed)
    again = {**projections(width), **products(width), "norm": norms}
    last = {
        part: cost
        for part, cost in layer.items()
        if part != "attention/output" and not part.startswith("mlp/")
    }
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=333,
        per_image={
            # the last layer scales and shifts its text only
            **time_embedding(width, 12 * layers + 2 + 2 - 6 + 3 * dual),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_patch={**scaled(layer, layers), **scaled(again, dual, "second_")},
        per_text={
            "text/project": affine(words, context),
            **scaled(layer, layers - 1, "text/"),
            **scaled(last, 1, "text/last_"),
        },
        per_both=scaled(products(width), layers),
    )
    return network(fields, model.run)
