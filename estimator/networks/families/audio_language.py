"""Which language model that hears a config describes: Qwen2-Audio, Audio Flamingo 3.

Also Music Flamingo, Voxtral, GLM-ASR, Qwen3-ASR, Qwen2.5-Omni, Qwen3-Omni, Granite Speech. A pass
holds thirty seconds of sound per sequence; its tokens are part of the sequence, so `seq_len` counts
them. The tower is Whisper's encoder, or of Granite Speech a conformer.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from estimator.networks.blocks import Cost, Costs, Mlp, affine, held, linear, multi_head
from estimator.networks.families.blip import queries_crossing
from estimator.networks.families.encoder_decoder import filter_lines, side
from estimator.networks.families.mixers import depthwise
from estimator.networks.families.speech_recognition import mel_filters, whisper_side
from estimator.networks.families.text_encoder import LAYER_NORM, bert_sizes, block
from estimator.networks.families.vision_language import (
    QWEN2_5,
    QWEN3,
    Text,
    before_text,
    dense_bridge,
    either_tied,
    qwen_vl,
    text_part,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.ledger import Architecture, Inputs, Quantity, quantity
from estimator.networks.network import Line, Network, Pass, crossing, lines, sequence
from estimator.networks.registry import family, known_families, with_defaults_of


def _audio(fields: Fields) -> Fields:
    """The part of the tower, with the defaults of its type."""
    tower = f"{fields.text('model_type')}_encoder"
    return with_defaults_of(fields.part("audio_config"), tower)


def hearing_network(
    fields: Fields, text: Text, bridge: Costs, folded: int, *, placed: bool = True
) -> Network:
    """A decoder with a tower for sound, `folded` positions of which make a token of the bridge.

    `placed` says whether the tower has a table of positions.
    """
    audio = _audio(fields)
    filters, positions = mel_filters(audio, "audio/"), audio.size("max_source_positions")
    width = audio.size("intermediate_size", "encoder_ffn_dim")
    tower = whisper_side(
        audio.with_values({"encoder_ffn_dim": width}), "encoder", positions * placed
    )

    def sounds(inputs: Inputs) -> list[Line]:
        batch = quantity("batch", inputs.batch)
        done = [*filter_lines(filters, batch)]
        done += tower.lines(batch, float(positions), Inputs(), "audio/")
        return [*done, *lines(bridge, batch * positions // folded)]

    return before_text(fields, text, sounds)


@family("qwen2_audio")
def qwen2_audio(fields: Fields) -> Network:
    """Qwen2-Audio: pairs of frames averaged, one matrix (arXiv:2407.10759, sec. 2)."""
    width = _audio(fields).size("d_model")
    text = text_part(fields, "qwen2", tied=False)
    bridge = dense_bridge(width, text.hidden)
    return hearing_network(fields, text, bridge, 2)


@family("audioflamingo3", "musicflamingo")
def audio_flamingo(fields: Fields) -> Network:
    """Audio and Music Flamingo: pairs of frames averaged, two dense layers (arXiv:2507.08128)."""
    width = _audio(fields).size("hidden_size", "d_model")
    text = text_part(fields, "qwen2", tied=False)
    bias = fields.flag("projector_bias", default=True)
    bridge = dense_bridge(width, text.hidden, text.hidden, bias=bias)
    return hearing_network(fields, text, bridge, 2)


@family("voxtral")
def voxtral(fields: Fields) -> Network:
    """Voxtral: four frames side by side, two dense layers (arXiv:2507.13264, sec. 2)."""
    audio = _audio(fields)
    wide = audio.size("intermediate_size")
    text = text_part(fields, "llama", tied=False)
    bridge = dense_bridge(wide, text.hidden, text.hidden, bias=False)
    width = audio.size("hidden_size")
    folded = fields.share("audio_config.intermediate_size", wide, "hidden_size", width)
    return hearing_network(fields, text, bridge, folded)


@family("voxtral_realtime")
def voxtral_realtime(fields: Fields) -> Network:
    """Voxtral Realtime: states of the sound are added to those of the tokens, so both are as long.

    The tower attends to earlier sound; four of its frames, of two mel frames each, make a
    token.
    """
    audio = _audio(fields)
    tied = fields.flag("tie_word_embeddings", default=True)
    text = text_part(fields, "voxtral_realtime_text", tied)
    inner = fields.part("text_config").with_defaults(fields.usual["text_inside"])
    longest = inner.size("max_position_embeddings")
    hidden, width = audio.size("hidden_size"), audio.size("intermediate_size")
    heads, head_dim = audio.size("num_attention_heads"), audio.size("head_dim")
    layer = {
        **multi_head(hidden, heads, head_dim, bias=True).costs(),
        "attention/key": linear(hidden, heads * head_dim),
        **Mlp(hidden, width, gated=True).costs(),
        "mlp/down": affine(width, hidden),
        "norm/layers": held(2 * hidden),
    }
    window = audio.size_or_none("sliding_window")
    tower = Layers(costs=layer, times=audio.layers("num_hidden_layers"), window=window)
    folded = fields.size("downsample_factor", default=4)
    first = {"audio/first_filter": affine(3 * audio.size("num_mel_bins"), hidden)}
    second = {"audio/second_filter": affine(3 * hidden, hidden)}
    bridge = {
        "norm/audio": held(hidden),
        **dense_bridge(folded * hidden, text.hidden, text.hidden, bias=False),
    }

    def sounds(inputs: Inputs) -> list[Line]:
        batch, tokens = sequence(inputs, longest)
        frames = folded * tokens
        done = [*lines(first, 2.0 * batch * frames, first=True), *lines(second, batch * frames)]
        done += tower.lines(batch, frames, inputs, "audio/")
        return [*done, *lines(bridge, batch * tokens)]

    return before_text(fields, text, sounds)


@family("glmasr")
def glm_asr(fields: Fields) -> Network:
    """GLM-ASR: a tower with rotary positions, four frames side by side, two dense layers."""
    audio = _audio(fields)
    positions = audio.size("max_position_embeddings")
    sound = {**audio.values, "max_source_positions": positions}
    fields = fields.with_values({"audio_config": sound})
    text = text_part(fields, "llama", either_tied(fields, True))
    heads = audio.size("num_attention_heads")
    kept = audio.size_or_none("num_key_value_heads") or heads
    audio.equal("num_key_value_heads", kept, "num_attention_heads", heads)
    wide, width = audio.size("intermediate_size"), audio.size("hidden_size")
    bridge = dense_bridge(wide, 2 * text.hidden, text.hidden)
    folded = fields.share("audio_config.intermediate_size", wide, "hidden_size", width)
    return hearing_network(fields, text, bridge, folded, placed=False)


OMNI = replace(QWEN2_5, text="qwen2_5_omni_text", alone=True)
OMNI3 = replace(QWEN3, text="qwen3_omni_moe_text")

WINDOW = 2
"""Frames that the second convolution makes one of: windows are half as long behind it. [1]"""


def _hearing_too(seeing: Network, sounds: Callable[[Quantity], Iterable[Line]]) -> Network:
    """A model that sees, with the lines of a batch of recordings before it."""

    def run(inputs: Inputs) -> Pass:
        seen = seeing.run(inputs)
        return replace(seen, lines=[*sounds(quantity("batch", inputs.batch)), *seen.lines])

    return replace(seeing, run=run)


@family("qwen2_5_omni_thinker")
def omni_thinker(fields: Fields) -> Network:
    """The part of Qwen2.5-Omni that sees, hears and writes (arXiv:2503.20215, sec. 2.2)."""
    audio = with_defaults_of(fields.part("audio_config"), "qwen2_5_omni_audio_encoder")
    hidden, out = audio.size("d_model"), audio.size("output_dim")
    filters, positions = mel_filters(audio, "audio/"), audio.size("max_source_positions")
    window = 2 * audio.size("n_window") // WINDOW
    tower = whisper_side(audio, "encoder", positions)
    tower = tower.with_layers({}, lambda part, length: (length, length * window))
    tower = replace(tower, before={"norm/outer": held(2 * hidden), "embedding/ends": held(2 * out)})
    project = {"audio/project": affine(hidden, out)}

    def sounds(batch: Quantity) -> list[Line]:
        done = [*filter_lines(filters, batch)]
        done += tower.lines(batch, float(positions), Inputs(), "audio/")
        return [*done, *lines(project, batch * (positions // 2))]

    return _hearing_too(qwen_vl(OMNI, fields), sounds)


RECORDING = 3000
"""Mel frames of thirty seconds. [frame]"""


def _thinned(length: int) -> int:
    """Frames, or bins, that three convolutions of stride two leave."""
    for _ in range(3):
        length = (length + 1) // 2
    return length


@family("qwen3_omni_moe_thinker")
def omni3_thinker(fields: Fields) -> Network:
    """The part of Qwen3-Omni that sees, hears and writes (arXiv:2509.17765, sec. 2)."""
    audio = with_defaults_of(fields.part("audio_config"), "qwen3_omni_moe_audio_encoder")
    return _hearing_too(
        qwen_vl(OMNI3, fields), _chunks(audio, 2 * audio.size("max_source_positions"))
    )


@family("qwen3_asr")
def qwen3_asr(fields: Fields) -> Network:
    """Qwen3-ASR: the tower of Qwen3-Omni before Qwen3."""
    sounds = _chunks(_audio(fields), RECORDING)
    text = text_part(fields, "qwen3", either_tied(fields, True))
    return before_text(fields, text, lambda inputs: sounds(quantity("batch", inputs.batch)))


def _chunks(audio: Fields, frames: int) -> Callable[[Quantity], list[Line]]:
    """The tower of a config: convolutions over chunks of mel frames, layers over a few of them."""
    hidden, thin, bins = (
        audio.size(key) for key in ("d_model", "downsample_hidden_size", "num_mel_bins")
    )
    chunk = 2 * audio.size("n_window")
    whole, rest = divmod(frames, chunk)
    positions = whole * _thinned(chunk) + _thinned(rest)
    window = _thinned(chunk) * (audio.size("n_window_infer") // chunk)
    many, left = divmod(positions, window)
    pairs = many * window**2 + left**2
    tower = side(audio, "encoder").with_layers({}, lambda part, length: (length, float(pairs)))
    project = {
        "audio/in": affine(hidden, hidden),
        "audio/out": affine(hidden, audio.size("output_dim")),
    }

    def sounds(batch: Quantity) -> list[Line]:
        done, high, wide = list[Line](), bins, chunk
        chunks = batch * (whole + (rest > 0))
        for place, channels in enumerate((1, thin, thin)):
            high, wide = (high + 1) // 2, (wide + 1) // 2
            conv = {f"audio/filter_{place + 1}": affine(9 * channels, thin)}
            done += lines(conv, chunks * high * wide, first=not place)
        done += lines({"audio/embed": linear(thin * high, hidden)}, chunks * wide)
        done += tower.lines(batch, float(positions), Inputs(), "audio/")
        return [*done, *lines(project, batch * positions)]

    return sounds


@family("qwen2_5_omni", "qwen3_omni_moe")
def omni(fields: Fields) -> Architecture:
    """Qwen2.5-Omni and Qwen3-Omni without the parts that speak."""
    part, kind = fields.part("thinker_config"), f"{fields.text('model_type')}_thinker"
    thinker = part.with_values({"model_type": kind, "architectures": None})
    return known_families()[kind](thinker.noted("the talker and its vocoder are not counted"))


FRAMES = 1500
"""Pairs of mel frames in thirty seconds. [frame]"""


@family("granite_speech")
def granite_speech(fields: Fields) -> Network:
    """Granite Speech: a conformer in blocks, queries that ask its windows (arXiv:2505.08699).

    Queries are counted for each window, also before the first layer has asked. The adapter of the
    language model is a file of its own.
    """
    audio = with_defaults_of(fields.part("encoder_config"), "granite_speech_encoder")
    hidden, layers = audio.size("hidden_dim"), audio.layers("num_layers")
    classes, context = audio.size("output_dim"), audio.size("context_size")
    padded = -(-FRAMES // context) * context
    near, convolved = _conformer(audio)
    text = text_part(fields, "granite", fields.flag("tie_word_embeddings", default=True))
    part = with_defaults_of(fields.part("projector_config"), "blip_2_model")
    sizes, window = bert_sizes(part), fields.size("window_size", default=15)
    windows = -(-FRAMES // window)
    queries = window // fields.size("downsample_rate", default=5)
    asks = queries_crossing(part, sizes.hidden, sizes.heads, part.size("encoder_hidden_size"))
    crossed = -(-sizes.layers // part.size("cross_attention_frequency", default=2))
    held_once = {"queries/tokens": held(queries * sizes.hidden + LAYER_NORM * sizes.hidden)}
    between = affine(hidden, classes, hidden)
    bridge = {"bridge/project": affine(sizes.hidden, text.hidden)}

    def sounds(inputs: Inputs) -> list[Line]:
        batch = quantity("batch", inputs.batch)
        every, asking = batch * FRAMES, batch * windows * queries
        stem = {"audio/in": affine(audio.size("input_dim"), hidden)}
        done = [*lines(stem, every, first=True)]
        pairs = batch * padded * context
        done += lines(near, batch * padded, pairs=pairs, times=layers, prefix="audio/")
        done += lines(convolved, every, times=layers, prefix="audio/")
        done += [*lines({"audio/classes": between}, every), *lines(held_once, batch)]
        own, prefix = block(part, sizes), "queries/"
        done += lines(own, asking, pairs=asking * queries, times=sizes.layers, prefix=prefix)
        seen, name = batch * windows * window, "queries/cross/"
        done += crossing(asks, batch * windows, asking, seen, times=crossed, prefix=name)
        return [*done, *lines(bridge, asking)]

    return before_text(fields, text, sounds)


def _conformer(audio: Fields) -> tuple[Costs, Costs]:
    """A layer: what runs over frames padded to whole blocks, and over the frames alone."""
    hidden, heads = audio.size("hidden_dim"), audio.size("num_heads")
    head_dim = audio.size_or_none("dim_head") or audio.share(
        "hidden_dim", hidden, "num_heads", heads
    )
    width, wide = heads * head_dim, hidden * audio.size("conv_expansion_factor")
    inner = hidden * audio.size("feedforward_mult")
    mlp = affine(hidden, inner, hidden)
    kernel, places = audio.size("conv_kernel_size"), 2 * audio.size("max_pos_emb") + 1
    near: Costs = {
        "attention/query_key_value": linear(hidden, 3 * width),
        "attention/places": held(places * head_dim) + Cost(flop_per_pair=2 * width),
        "attention/scores": Cost(flop_per_pair=2 * width),
        "attention/reduce": Cost(flop_per_pair=2 * width),
    }
    every: Costs = {
        "attention/output": affine(width, hidden),
        "mlp/both": mlp.times(2),
        "convolution/in": affine(hidden, 2 * wide),
        "convolution/depth": depthwise(wide, kernel, bias=False),
        "convolution/out": affine(wide, hidden),
        "norm/layers": held(10 * hidden + 2 * wide),
    }
    return near, every
