"""How much work AST is: a vision transformer over spectrograms (arXiv:2104.01778)."""

from dataclasses import replace

from estimator.workload.blocks import held, table
from estimator.workload.families.vit import trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.model_class import classifier
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family


@family("audio-spectrogram-transformer")
def spectrogram(fields: Fields) -> Network:
    """AST: overlapping patches of a spectrogram as long as stated (arXiv:2104.01778, sec. 2)."""
    vision = trunk(fields, prefix=2)
    hidden, patch = vision.hidden, vision.patch
    mel = fields.size("num_mel_bins", default=128)
    frames = fields.size("max_length", default=1024)
    wide = (mel - patch) // fields.size("frequency_stride", default=10) + 1
    patches = wide * ((frames - patch) // fields.size("time_stride", default=10) + 1)
    tables = {**vision.tables, "embedding/position": table(patches + 2, hidden)}
    once = dict(classifier(fields, hidden, "AudioClassification"))
    if once:
        once["norm/head"] = held(2 * hidden)
    sight = replace(vision, channels=1, tables=tables, once=once)

    def run(inputs: Inputs) -> Pass:
        return sight.passed(quantity("batch", inputs.batch), float(patches))

    return network(fields, run)
