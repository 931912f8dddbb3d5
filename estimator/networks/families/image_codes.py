"""Which language model that takes images as codes of a book a config describes: Chameleon, Janus.

Chameleon reads images as codes, which an encoder makes of their pixels, in a pass over one image
per sequence. Janus reads them through a tower; its encoder and decoder of codes, and what writes
codes, are held and rest. Items are the tokens of the text side, which hold those of the image.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.networks.blocks import Cost, Costs, affine, held, table
from estimator.networks.convolution import Flow, image, plain, ratio
from estimator.networks.families.decoder import Family, decoder, width_norm
from estimator.networks.families.unet import Level, down, map_attention, middle, no_attention, up
from estimator.networks.families.vision_language import (
    Text,
    before_text,
    either_tied,
    seeing_network,
    text_part,
)
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Line, Network
from estimator.networks.registry import family, with_defaults_of

CHAMELEON = Family(
    attention_bias="attention_bias",
    mlp_bias="mlp_bias",
    qk_norm=lambda fields, attention: 2 * width_norm(fields, attention),
)

LATENT_SIDE = 32
"""Side of the maps that convolutions of a resting codec are held for. [1]"""


def _levels(fields: Fields, attends: Callable[[int], bool]) -> list[Level]:
    """Levels of the codec of a config, which attend where their place says so."""
    base, blocks = fields.size("base_channels"), fields.layers("num_res_blocks")
    multipliers = fields.sizes("channel_multiplier")
    if multipliers[0] != 1:
        raise fields.uncounted("channel_multiplier", multipliers, "lists that begin with 1")
    levels = []
    for place, multiplier in enumerate(multipliers):
        width = base * multiplier
        attend = map_attention(width) if attends(place) else no_attention
        levels.append(Level(channels=width, layers=blocks, down=attend, up=attend))
    return levels


def _encoded(fields: Fields, levels: list[Level], flow: Flow) -> Flow:
    """From pixels to the nearest entries of the book."""
    base, last = fields.size("base_channels"), levels[-1]
    latent, embed = fields.size("latent_channels"), fields.size("embed_dim")
    wide = latent * (1 + fields.flag("double_latent"))
    entries = fields.size("num_embeddings")
    flow = flow.conv("stem", plain(fields.size("in_channels"), base), first=True)
    flow = middle(down(flow, levels, edge=1), "middle", last, map_attention(last.channels))
    flow = flow.dense({"norm": held(2 * last.channels)})
    flow = flow.conv("out", plain(last.channels, wide)).conv("quant", plain(latent, embed, 1))
    search = Cost(flop_per_token=2 * entries * embed)
    book = {"book": held(entries * embed), "post_quant": held((embed + 1) * latent)}
    return flow.layers({"search": search}).dense(book)


@family("chameleon")
def chameleon(fields: Fields) -> Network:
    """Chameleon: Llama with norms of queries and keys over text and codes (arXiv:2405.09818)."""
    codec = with_defaults_of(fields.part("vq_config"), "chameleon_vqgan")
    side = codec.size("resolution")
    places = codec.items("attn_resolutions") or []
    attentive = codec.text("attn_type", default="vanilla") == "vanilla"
    levels = _levels(codec, lambda place: attentive and side // 2**place in places)

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, side)
        flow = _encoded(codec, levels, Flow(batch=batch, side=pixels))
        return [(f"vision/{name}", term) for name, term in flow.lines]

    text = decoder(CHAMELEON, fields)
    return before_text(fields, Text(model=text, hidden=text.hidden), seen)


@family("janus")
def janus(fields: Fields) -> Network:
    """Janus: SigLIP's tower and Llama, and a codec for the images that it writes (2410.13848)."""
    vision = with_defaults_of(fields.part("vision_config"), "janus_vision_model")
    hidden = vision.size("hidden_size")
    inner = int(ratio(vision, "mlp_ratio", 4.0) * hidden)
    biased = vision.flag("attention_bias", default=True)
    stated = {"intermediate_size": inner, "qkv_bias": biased}
    sight = trunk(vision.with_values(stated), prefix=0)
    norm = {"attention/norm": held(4 * hidden * vision.flag("use_qk_norm"))}
    sight = replace(sight, layer={**sight.layer, **norm})
    text = text_part(fields, "llama", either_tied(fields, True))
    wide = vision.size("projection_dim")
    bridge: Costs = {
        "bridge/in": affine(hidden, wide),
        "bridge/out": affine(wide, wide).times(vision.layers("depth") - 1),
        "writing": held(_writing(with_defaults_of(fields.part("vq_config"), "janus_vqgan"))),
    }
    return seeing_network(fields, text, sight, bridge)


def _writing(codec: Fields) -> int:
    """Parameters of the codec of images, and of what reads and writes its codes."""
    last = len(codec.sizes("channel_multiplier")) - 1
    levels = _levels(codec, lambda place: place == last)
    base, wide = codec.size("base_channels"), levels[-1].channels
    flow = _encoded(codec, levels, Flow(batch=1.0, side=float(LATENT_SIDE * 2**last)))
    flow = flow.conv("in", plain(codec.size("latent_channels"), wide))
    flow = up(middle(flow, "back", levels[-1], map_attention(wide)), levels, skips=False)
    flow = flow.conv("last", plain(base, codec.size("out_channels"))).dense({"end": held(2 * base)})
    entries, narrow = codec.size("num_embeddings"), codec.size("embed_dim")
    between, states = codec.size("projection_dim"), codec.size("image_token_embed_dim")
    around = (
        table(entries, narrow)
        + affine(narrow, between)
        + affine(between, between).times(codec.layers("num_hidden_layers") - 1)
        + affine(states, between)
        + affine(between, entries)
    )
    return around.params + sum(term.params for _, term in flow.lines)
