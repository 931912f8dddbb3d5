"""How much work LTX-2 (LTX2Video) is: a video and its sound that look at each other and a text.

121 frames of 512 x 768 pixels at 24 a second where `image_size`, the side of the latent map, is not
asked for (arXiv:2601.03233, sec. 3). `seq_len` is the text tokens. The items are patches of video.
"""

from dataclasses import dataclass

from estimator.networks.blocks import Cost, Costs, Mlp, crossed, held, linear, merged
from estimator.networks.convolution import image
from estimator.networks.families.diffusion_transformer import time_embedding, two_dense
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.network import Line, Network, Pass, crossing, length, lines, network
from estimator.networks.registry import diffusers_class

FRAMES, HIGH, WIDE = 16, 16, 24
"""Latent maps, and their sides. [1]"""

SOUNDS = 126
"""Latent frames of the sound of five seconds, 25 a second. [1]"""

TEXT_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The keys of a stream begin with `prefix`; its width and heads."""

    fields: Fields
    prefix: str
    width: int
    heads: int

    def flag(self, key: str, default: bool = False) -> bool:
        """Whether the stream has a part."""
        return self.fields.flag(f"{self.prefix}{key}", default=default)

    def attention(self, keys: int, inner: int, heads: int) -> Costs:
        """Attention to states of width `keys`, `inner` wide."""
        bias = self.fields.flag("attention_bias", default=True)
        out_bias = self.fields.flag("attention_out_bias", default=True)
        product = Cost(flop_per_pair=2 * inner)
        return {
            "attention/query": linear(self.width, inner, bias),
            "attention/key": linear(keys, inner, bias),
            "attention/value": linear(keys, inner, bias),
            "attention/gate": linear(self.width, heads * self.flag("gated_attn"), True),
            "attention/scores": product,
            "attention/reduce": product,
            "attention/output": linear(inner, self.width, out_bias),
            "attention/norm": held(2 * inner),
        }

    def ends(self) -> tuple[Costs, Costs, Costs]:
        """Costs per sequence, per position and per word outside the layers."""
        width, fields = self.width, self.fields
        modulations = [9 if self.flag("cross_attn_mod") else 6, 4, 1]
        mixed = fields.flag("cross_attn_mod") or fields.flag("audio_cross_attn_mod")
        if mixed and fields.flag("use_prompt_adaln_single", default=True):
            modulations.append(2)
        spare = fields.flag("use_keyframes_abs_pos_embedding") and not self.prefix
        once = merged(*(time_embedding(width, count) for count in modulations))
        inputs = fields.size(f"{self.prefix}in_channels")
        outputs = fields.size_or_none(f"{self.prefix}out_channels") or inputs
        prompted = fields.flag("use_prompt_embeddings", default=True)
        text = (
            {"text/project": two_dense(fields.size("caption_channels"), width)} if prompted else {}
        )
        each = {"embedding/patch": linear(inputs, width, bias=True)}
        pixels = {"head/pixels": linear(width, outputs, bias=True)}
        return {**once, "head/scale": held((2 + spare) * width)}, {**each, **pixels}, text

    def layer(self) -> tuple[Costs, int]:
        """The MLP of a layer, and parameters of its norms and tables."""
        fields, width = self.fields, self.width
        mixed = fields.flag("cross_attn_mod") or fields.flag("audio_cross_attn_mod")
        tables = (9 if self.flag("cross_attn_mod") else 6) + 2 * mixed + 5
        tables += 4 * fields.flag("norm_elementwise_affine")
        return Mlp(
            width, 4 * width, bias=self.flag("ff_bias", default=True)
        ).costs(), tables * width


@diffusers_class("LTX2VideoTransformer3DModel")
def ltx2(fields: Fields) -> Network:
    """LTX-2."""
    layers = fields.layers("num_layers")
    streams = []
    for prefix in ("", "audio_"):
        heads = fields.size(f"{prefix}num_attention_heads")
        width = heads * fields.size(f"{prefix}attention_head_dim")
        streams.append(Stream(fields=fields, prefix=prefix, width=width, heads=heads))
    inner, narrow = streams[1].width, streams[1].heads

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy videos with sound."""
        batch, side = image(inputs, HIGH)
        across = side if inputs.image_size is not None else float(WIDE)
        words, patches = batch * length(inputs, TEXT_TOKENS), batch * FRAMES * side * across
        places: tuple[Quantity, Quantity] = patches, batch * SOUNDS
        done: list[Line] = []
        for at, one in enumerate(streams):
            name, own, seen = ("video/", "sound/")[at], places[at], places[1 - at]
            once, each, text = one.ends()
            mlp, spare = one.layer()
            context = fields.size(f"{one.prefix}cross_attention_dim")
            done += lines(once, batch, prefix=name)
            done += lines(each, own, prefix=name)
            done += lines(text, words, prefix=name)
            itself = {**one.attention(one.width, one.width, one.heads), **mlp, "norm": held(spare)}
            done += crossing(itself, batch, own, own, times=layers, prefix=name)
            asked = crossed(one.attention(context, one.width, one.heads))
            done += crossing(asked, batch, own, words, times=layers, prefix=f"{name}text/")
            listening = crossed(one.attention(streams[1 - at].width, inner, narrow))
            done += crossing(listening, batch, own, seen, times=layers, prefix=f"{name}other/")
        return Pass(lines=done, items=patches)

    return network(fields, run)
