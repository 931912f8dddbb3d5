"""Which Whisper a config describes: an encoder of sound and a decoder of text.

Defaults are those of transformers 5.23. Whisper always hears thirty seconds; `seq_len` is the
tokens that it writes, and the items of a pass are frames of the encoder and tokens written.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear, table
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side, cached_network
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import label_count, task
from estimator.workload.network import Network, Pass, Reach, length_warning, lines, sequence
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Whisper:
    """Whisper: filters over mel frames in front of an encoder-decoder.

    Parameters
    ----------
    filters : tuple of Costs
        Costs per output of the two convolutions, the second of stride two.
    model : EncoderDecoder
        The rest.
    frames : int
        Positions of the encoder, half the mel frames of thirty seconds. [1]
    """

    filters: tuple[Costs, Costs]
    model: EncoderDecoder
    frames: int

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` recordings, `seq_len` tokens written for each."""
        batch, seq_len = sequence(inputs, self.model.longest)
        if self.model.source is None:
            return self.model.run(inputs)
        done = [*lines(self.filters[0], Reach(tokens=batch * 2.0 * self.frames, first=True))]
        done += lines(self.filters[1], Reach(tokens=batch * self.frames))
        frames: Quantity = float(self.frames)
        done += self.model.lines(batch, (frames, seq_len), inputs)
        written = seq_len if self.model.target is not None else 0.0
        return Pass(
            lines=done,
            items=batch * (frames + written),
            warnings=length_warning(seq_len, self.model.longest),
        )


@family("whisper")
def whisper(fields: Fields) -> Network:
    """Whisper: an encoder-decoder without biases on its keys (arXiv:2212.04356)."""
    hidden = fields.size("hidden_size", "d_model", default=384)
    vocab = fields.size("vocab_size", default=51865)
    bins = fields.size("num_mel_bins", default=80)
    frames = fields.size("max_source_positions", default=1500)
    longest = fields.size("max_target_positions", default=448)
    classifies, writes = (task(fields) == kind for kind in ("AudioClassification", "CausalLM"))
    target, attention, layers = _whisper_side(fields, hidden, "decoder", longest)
    source, _, depth = _whisper_side(fields, hidden, "encoder", frames)
    after, once = _whisper_heads(fields, hidden, vocab, depth)
    model = EncoderDecoder(
        table=0 if classifies else vocab * hidden,
        source=None if writes else source,
        target=None if classifies else target,
        cross=attention,
        after=after,
        once=once,
        longest=longest,
    )
    filters = (
        {"encoder/first_filter": linear(3 * bins, hidden)},
        {"encoder/second_filter": linear(3 * hidden, hidden)},
    )
    biased = tuple(
        {
            name: replace(cost, params=cost.params + hidden, active_params=cost.params + hidden)
            for name, cost in part.items()
        }
        for part in filters
    )
    run = Whisper(filters=(biased[0], biased[1]), model=model, frames=frames).run
    return cached_network(fields, run, attention, layers)


def _whisper_side(
    fields: Fields, hidden: int, side: str, positions: int
) -> tuple[Side, Attention, int]:
    """One side, its attention and the number of its layers."""
    decodes = side == "decoder"
    heads = fields.size(f"{side}_attention_heads", default=6)
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("d_model", hidden, f"{side}_attention_heads", heads),
        qkv_bias=True,
        output_bias=True,
    )
    mlp = Mlp(hidden=hidden, width=fields.size(f"{side}_ffn_dim", default=1536), bias=True)
    attentions = 2 if decodes else 1
    costs = {
        **attention.costs(),
        **mlp.costs(),
        "norm/layers": held((attentions + 1) * 2 * hidden),
        "attention/key": linear(hidden, hidden),
    }
    if decodes:
        costs["norm/layers"] = held(6 * hidden - hidden)
    layers = fields.layers(f"{side}_layers", default=4)
    before = {"embedding/position": table(positions, hidden), "norm/outer": held(2 * hidden)}
    return Side(before=before, stack=(Group(costs=costs, times=layers),)), attention, layers


def _whisper_heads(fields: Fields, hidden: int, vocab: int, depth: int) -> tuple[Costs, Costs]:
    """Heads over written tokens, or over frames and recordings."""
    if task(fields) in ("ConditionalGeneration", "CausalLM"):
        params = 0 if fields.flag("tie_word_embeddings", default=True) else hidden * vocab
        logits = Cost(params=params, active_params=params, flop_per_token=2 * hidden * vocab)
        return {"head/logits": logits}, {}
    if task(fields) == "AudioClassification":
        width = fields.size("classifier_proj_size", default=256)
        mix = held((depth + 1) * fields.flag("use_weighted_layer_sum"))
        once = {
            "head/layer_weights": mix,
            "head/classifier": linear(width, label_count(fields), bias=True),
        }
        return {"head/project": linear(hidden, width, bias=True)}, once
    return {}, {}
