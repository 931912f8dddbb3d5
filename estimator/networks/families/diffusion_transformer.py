"""How much work a diffusion transformer of diffusers is: DiT, and what its successors share.

What a config leaves out is as in diffusers 0.42. `image_size` is the side of the latent map that
the network gets, in Flux, FLUX.2 and Qwen-Image after it is folded by two; videos without it are of
the length and size of their report. `seq_len` is the text tokens. The items of a pass are patches.
"""

from dataclasses import dataclass, field

from estimator.networks.blocks import Cost, Costs, Mlp, affine, held, linear, scaled
from estimator.networks.convolution import image, square
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network, Pass, length, lines, network
from estimator.networks.registry import diffusers_class

SINE_WIDTH = 256
"""Width of the sines that a time step is turned into before its embedding."""


@dataclass(frozen=True, kw_only=True)
class TransformerSizes:
    """Width, of a head too; layers; side of a patch; values of a patch that go in and come out."""

    width: int
    head_dim: int
    layers: int
    patch: int
    patch_inputs: int
    patch_outputs: int


def patch_sizes(fields: Fields, frames: int = 1, folded: bool = False) -> TransformerSizes:
    """What configs state of patches of so many frames, perhaps folded to one position before."""
    head_dim, channels = fields.size("attention_head_dim"), fields.size("in_channels")
    patch = fields.size("patch_size")
    volume = patch * patch * frames
    return TransformerSizes(
        width=fields.size("num_attention_heads") * head_dim,
        head_dim=head_dim,
        layers=fields.layers("num_layers"),
        patch=1 if folded else patch,
        patch_inputs=channels if folded else channels * volume,
        patch_outputs=(fields.size_or_none("out_channels") or channels) * volume,
    )


def divided_sizes(fields: Fields, **stated: int | None) -> TransformerSizes:
    """The same where configs state the width of the model and not of a head."""
    width, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.share("hidden_size", width, "num_attention_heads", heads)
    return patch_sizes(fields.with_values({**stated, "attention_head_dim": head_dim}))


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Layers over patches, or over patches and text together.

    Parameters
    ----------
    sizes : TransformerSizes
        What the config states.
    side, text_tokens : int
        Side of the latent map and tokens of text where the caller gives none; 0 without text. [1]
    biases : tuple of bool
        Whether the matrices before and behind the layers have biases.
    per_image, per_patch, per_text, per_both : mapping
        Costs of all layers together, by what they run over and what attends to each other there.
    across : mapping
        Costs per pair of a patch and a text token, of layers in which patches see words.
    before_text, spare : mapping, int
        Costs per text token of what is done before other tokens join; their number.
    wide, steps : int
        The other side of a latent map that is not square; maps of a video. [1]
    """

    sizes: TransformerSizes
    side: int
    biases: tuple[bool, bool] = (True, True)
    text_tokens: int = 0
    per_image: Costs
    per_patch: Costs = field(default_factory=dict)
    per_text: Costs = field(default_factory=dict)
    per_both: Costs = field(default_factory=dict)
    across: Costs = field(default_factory=dict)
    before_text: Costs = field(default_factory=dict)
    spare: int = 0
    wide: int = 0
    steps: int = 1

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, self.side)
        other = side if inputs.image_size is not None else float(self.wide or self.side)
        sizes, (before, behind) = self.sizes, self.biases
        patches = self.steps * (side // sizes.patch) * (other // sizes.patch)
        words = length(inputs, self.text_tokens) if self.text_tokens else 0.0
        text = words + self.spare
        both = patches + text
        stem = {"embedding/patch": linear(sizes.patch_inputs, sizes.width, before)}
        pixels = {"head/pixels": linear(sizes.width, sizes.patch_outputs, behind)}
        done = [*lines(stem, batch * patches, first=True)]
        for costs, positions, pairs in (
            (self.per_image, 1.0, 0.0),
            (self.before_text, words, words * words),
            (self.per_text, text, text * text),
            (self.per_patch, patches, patches * patches),
            (self.per_both, both, both * both),
            (self.across, 0.0, patches * text),
            (pixels, patches, 0.0),
        ):
            done += lines(costs, batch * positions, pairs=batch * pairs)
        return Pass(lines=done, items=batch * patches)


def projections(width: int, bias: bool = True, output_bias: bool = True) -> Costs:
    """Queries, keys, values and output of attention, all as wide as the model."""
    parts = {f"attention/{one}": linear(width, width, bias) for one in ("query", "key", "value")}
    return {**parts, "attention/output": linear(width, width, output_bias)}


def products(width: int, prefix: str = "attention/") -> Costs:
    """The two products of attention, which pairs pay."""
    return {prefix + part: Cost(flop_per_pair=2 * width) for part in ("scores", "reduce")}


def two_dense(inputs: int, width: int, bias: bool = True) -> Cost:
    """Two dense layers."""
    return linear(inputs, width, bias) + linear(width, width, bias)


def time_embedding(width: int, vectors: int, sines: int = SINE_WIDTH, bias: bool = True) -> Costs:
    """Embedding of the time, and so many vectors of it for the layers."""
    modulation = linear(width, vectors * width, bias)
    return {"time/embedding": two_dense(sines, width), "time/modulation": modulation}


def stream(
    sizes: TransformerSizes,
    inner: int,
    *,
    normed: bool = True,
    bias: bool = True,
    gated: bool = False,
) -> Costs:
    """Projections and MLP of a layer for one kind of positions, perhaps with norms of each head."""
    return {
        **projections(sizes.width, bias, bias),
        **Mlp(sizes.width, inner, bias=bias, gated=gated).costs(),
        "norm/heads": held(2 * sizes.head_dim * normed),
    }


def feed_forward(fields: Fields, width: int) -> Costs:
    """An MLP four times as wide, gated where the activation is."""
    gated = fields.text("activation_fn") in ("geglu", "swiglu")
    return Mlp(width, 4 * width, bias=True, gated=gated).costs()


@diffusers_class("DiTTransformer2DModel")
def dit(fields: Fields) -> Network:
    """DiT: each layer embeds time and class by itself (arXiv:2212.09748, sec. 3.2)."""
    sizes = patch_sizes(fields)
    width, embedding = sizes.width, two_dense(SINE_WIDTH, sizes.width)
    once = {
        "time/embedding": embedding,
        "time/class": held((fields.size("num_embeds_ada_norm") + 1) * width),
        "time/modulation": affine(width, 6 * width),
    }
    layer = {
        **projections(width, fields.flag("attention_bias")),
        **products(width),
        **feed_forward(fields, width),
        "norm/layers": held(2 * width * fields.flag("norm_elementwise_affine")),
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
