"""Which language model that hears a config describes: Qwen2-Audio, Voxtral.

Defaults are those of transformers 5.23. A pass holds thirty seconds of sound per sequence; its
tokens are part of the sequence, so `seq_len` counts them. The tower is Whisper's encoder.
"""

from dataclasses import dataclass

from estimator.workload.blocks import Costs, Mlp, equal_heads, held, linear, product, table
from estimator.workload.families.encoder_decoder import Side, side_lines
from estimator.workload.families.text_encoder import Group
from estimator.workload.families.vision_language import Text, either_tied, text_part
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Network, Pass, Reach, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """A decoder with a tower for sound and a bridge between them.

    Parameters
    ----------
    text : Text
        The language model inside.
    filters : tuple of mapping
        Costs per output of the two convolutions over mel frames, the second of stride two.
    tower : Side
        The layers of the tower.
    frames : int
        Positions of the tower. [1]
    bridge : mapping
        Costs per token of the sound.
    folded : int
        Positions of the tower that make one token of the sound. [1]
    """

    text: Text
    filters: tuple[Costs, Costs]
    tower: Side
    frames: int
    bridge: Costs
    folded: int

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences with a recording each."""
        batch = quantity("batch", inputs.batch)
        frames = batch * self.frames
        spoken = self.text.model.ledger(inputs)
        done = [*lines(self.filters[0], Reach(tokens=2.0 * frames, first=True))]
        done += lines(self.filters[1], Reach(tokens=frames))
        done += side_lines(self.tower, "audio/", frames, frames * self.frames)
        done += lines(self.bridge, Reach(tokens=frames // self.folded))
        done += spoken.terms.items()
        return Pass(lines=done, items=spoken.items, warnings=spoken.warnings)


def _tower(fields: Fields) -> tuple[Side, tuple[Costs, Costs], int]:
    """Whisper's encoder: its layers, filters and positions."""
    hidden = fields.size("hidden_size", "d_model", default=1280)
    heads = fields.size("num_attention_heads", "encoder_attention_heads", default=20)
    width = fields.size("intermediate_size", "encoder_ffn_dim", default=5120)
    bins = fields.size("num_mel_bins", default=128)
    frames = fields.size("max_source_positions", default=1500)
    layer = {
        **equal_heads(fields, hidden, heads, ("d_model", "encoder_attention_heads")).costs(),
        **Mlp(hidden=hidden, width=width, bias=True).costs(),
        "attention/key": linear(hidden, hidden),
        "norm/layers": held(4 * hidden),
    }
    layers = fields.layers("num_hidden_layers", "encoder_layers", default=32)
    before = {"embedding/position": table(frames, hidden), "norm/outer": held(2 * hidden)}
    filters: tuple[Costs, Costs] = (
        {"audio/first_filter": product(hidden * (3 * bins + 1), 6 * bins * hidden)},
        {"audio/second_filter": product(hidden * (3 * hidden + 1), 6 * hidden * hidden)},
    )
    return Side(before=before, stack=(Group(costs=layer, times=layers),)), filters, frames


def _hearing(fields: Fields, text: Text, bridge: Costs, folded: int) -> Network:
    side, filters, frames = _tower(fields.part("audio_config"))
    model = Hearing(
        text=text, filters=filters, tower=side, frames=frames, bridge=bridge, folded=folded
    )
    return network(fields, model.run, cache=text.model.cache)


@family("qwen2_audio")
def qwen2_audio(fields: Fields) -> Network:
    """Qwen2-Audio: pairs of frames averaged, one matrix (arXiv:2407.10759, sec. 2)."""
    width = fields.part("audio_config").size("d_model", default=1280)
    text = text_part(fields, "qwen2", either_tied(fields, False))
    return _hearing(fields, text, {"bridge/project": linear(width, text.hidden, bias=True)}, 2)


@family("voxtral")
def voxtral(fields: Fields) -> Network:
    """Voxtral: four frames side by side, two dense layers (arXiv:2507.13264, sec. 2)."""
    audio = fields.part("audio_config")
    wide = audio.size("intermediate_size", default=5120)
    text = text_part(fields, "llama", either_tied(fields, False))
    bridge = {
        "bridge/in": linear(wide, text.hidden),
        "bridge/out": linear(text.hidden, text.hidden),
    }
    return _hearing(fields, text, bridge, wide // audio.size("hidden_size", default=1280))
