"""Which language model that hears a config describes: Qwen2-Audio, Voxtral, Omni.

A pass holds thirty seconds of sound per sequence; its tokens are part of the sequence, so
`seq_len` counts them. The tower is Whisper's encoder.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.families.encoder_decoder import filter_lines
from estimator.workload.families.qwen_vl import QWEN2_5, qwen_vl
from estimator.workload.families.speech_recognition import mel_filters, whisper_side
from estimator.workload.families.vision_language import Text, before_text, dense_bridge, text_part
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Line, Network, Pass, lines
from estimator.workload.registry import family, with_defaults_of


def _audio(fields: Fields) -> Fields:
    """The part of the tower, with the defaults of its type."""
    tower = f"{fields.text('model_type')}_encoder"
    return with_defaults_of(fields.part("audio_config"), tower)


def hearing_network(fields: Fields, text: Text, bridge: Costs, folded: int) -> Network:
    """A decoder with a tower for sound, `folded` positions of which make a token of the bridge."""
    audio = _audio(fields)
    filters, positions = mel_filters(audio, "audio/"), audio.size("max_source_positions")
    width = audio.size("intermediate_size", "encoder_ffn_dim")
    tower = whisper_side(audio.with_values({"encoder_ffn_dim": width}), "encoder", positions)

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


VOXTRAL_TEXT = {
    **{"model_type": "llama", "hidden_size": 3072, "intermediate_size": 8192, "head_dim": 128},
    **{"num_hidden_layers": 30, "num_attention_heads": 32, "num_key_value_heads": 8},
    **{"vocab_size": 131072, "max_position_embeddings": 131072},
}
"""What its text part leaves out."""


@family("voxtral")
def voxtral(fields: Fields) -> Network:
    """Voxtral: four frames side by side, two dense layers (arXiv:2507.13264, sec. 2)."""
    audio = _audio(fields)
    wide = audio.size("intermediate_size")
    inner = {**VOXTRAL_TEXT, **fields.part("text_config").values}
    fields = fields.with_values({"text_config": inner})
    text = text_part(fields, "llama", tied=False)
    bridge = dense_bridge(wide, text.hidden, text.hidden, bias=False)
    width = audio.size("hidden_size")
    folded = fields.share("audio_config.intermediate_size", wide, "hidden_size", width)
    return hearing_network(fields, text, bridge, folded)


OMNI = replace(QWEN2_5, text="qwen2_5_omni_text", alone=True)

WINDOW = 2
"""Frames that the second convolution makes one of: windows are half as long behind it. [1]"""


@family("qwen2_5_omni_thinker")
def omni_thinker(fields: Fields) -> Network:
    """The part of Qwen2.5-Omni that sees, hears and writes (arXiv:2503.20215, sec. 2.2)."""
    seeing = qwen_vl(OMNI, fields)
    audio = with_defaults_of(fields.part("audio_config"), "qwen2_5_omni_audio_encoder")
    hidden, out = audio.size("d_model"), audio.size("output_dim")
    filters, positions = mel_filters(audio, "audio/"), audio.size("max_source_positions")
    window = 2 * audio.size("n_window") // WINDOW
    tower = whisper_side(audio, "encoder", positions)
    tower = tower.with_layers({}, lambda part, length: (length, length * window))
    tower = replace(tower, before={"norm/outer": held(2 * hidden), "embedding/ends": held(2 * out)})
    project = {"audio/project": linear(hidden, out, bias=True)}

    def run(inputs: Inputs) -> Pass:
        seen = seeing.run(inputs)
        batch = quantity("batch", inputs.batch)
        done = [*filter_lines(filters, batch)]
        done += tower.lines(batch, float(positions), Inputs(), "audio/")
        done += lines(project, batch * (positions // 2))
        return replace(seen, lines=[*done, *seen.lines])

    return replace(seeing, run=run)


@family("qwen2_5_omni")
def omni(fields: Fields) -> Network:
    """Qwen2.5-Omni without the parts that speak."""
    part = fields.part("thinker_config")
    thinker = part.with_values({"model_type": "qwen2_5_omni_thinker", "architectures": None})
    return omni_thinker(thinker.noted("the talker and its vocoder are not counted"))
