"""How much work CLAP is: a Swin over mel spectrograms beside RoBERTa (arXiv:2211.06687).

A pass holds as many texts of `seq_len` tokens as recordings of ten seconds, whose frames are folded
into a square; the branch that fuses longer recordings is held and rests.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, affine, held, product
from estimator.workload.families.clip import bert_tower
from estimator.workload.families.swin import swin
from estimator.workload.families.text_encoder import bert_sizes, tables
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, lines, network, prefixed, sequence
from estimator.workload.registry import family, with_defaults_of

SPELLED = {
    "embed_dim": ("patch_embeds_hidden_size", 96),
    "num_heads": ("num_attention_heads", (4, 8, 16, 32)),
    "image_size": ("spec_size", 256),
    "num_channels": ("patch_embed_input_channels", 1),
}
"""Key of Swin -> what CLAP calls it, and its default."""


def _spectrogram(fields: Fields) -> Fields:
    """The audio part as a config of Swin over a square of one channel."""
    if fields.values.get("patch_stride", [4, 4]) not in (4, [4, 4]):
        raise ValueError(f"{fields.path}patch_stride must be 4")
    usual = {new: value for new, (_, value) in SPELLED.items()}
    stated = {new: (fields, old) for new, (old, _) in SPELLED.items()}
    return fields.with_defaults({"window_size": 8}).with_values(usual).renamed(stated)


def _projection(width: int, out: int) -> Costs:
    """Two dense layers on one state per sequence."""
    first, second = affine(width, out), affine(out, out)
    return {"head/project_in": first, "head/project_out": second}


def _fusion(fields: Fields, width: int) -> int:
    """Parameters of the branch for longer recordings, 0 without one."""
    if not fields.flag("enable_fusion"):
        return 0
    narrow = width // fields.size("aff_block_r", default=4)
    gate = affine(width, narrow).params + affine(narrow, width).params
    patch = fields.size("patch_size", default=4)
    return 2 * (gate + 2 * narrow + 2 * width) + (3 * patch * patch + 1) * width


@family("clap")
def clap(fields: Fields) -> Network:
    """CLAP: both towers, each projected by two layers."""
    part = with_defaults_of(fields.part("text_config"), "clap_text_model")
    audio = fields.part("audio_config")
    width = fields.size("projection_dim", default=512)
    sizes = bert_sizes(part)
    hidden = sizes.hidden
    ends = {"pooler": affine(hidden, hidden), **_projection(hidden, width)}
    text = bert_tower(part, tables(sizes, hidden), once=ends, spare_positions=2)
    spectrogram = _spectrogram(audio)
    tower = swin(1, spectrogram)
    first = spectrogram.size("embed_dim")
    stages = len(audio.layer_counts("depths", (2, 2, 6, 2)))
    last = audio.size("hidden_size", default=first * 2 ** (stages - 1))
    once = {
        "norm/features": held(2 * audio.size("num_mel_bins", default=64)),
        "fusion": held(_fusion(audio, first)),
        **_projection(last, width),
    }
    compare = product(2, 4 * width)

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, text.longest)
        audio_ledger = tower.ledger(replace(inputs, image_size=None))
        done = [*prefixed(text.lines(batch, seq_len, inputs), "text/")]
        done += prefixed([*audio_ledger.terms.items(), *lines(once, batch)], "audio/")
        done += lines({"head/compare": compare}, batch * batch)
        return Pass(lines=done, items=batch * seq_len + audio_ledger.items)

    return network(fields, run)
