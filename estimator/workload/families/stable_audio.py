"""How much work the diffusion transformer of Stable Audio Open is, by a config of diffusers.

arXiv:2407.14358. A pass denoises the latent frames of `sample_size`; `seq_len` is the text tokens
and the two of start and length that stand beside them.
"""

from estimator.workload.blocks import Mlp, crossed, held, linear, multi_head, reading
from estimator.workload.convolution import ratio
from estimator.workload.families.diffusion_transformer import two_dense
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Line, Network, Pass, crossing, length, lines, network
from estimator.workload.registry import diffusers_class

TEXT_TOKENS = 128 + 2
"""Tokens of T5, and those of start and length. [1]"""


@diffusers_class("StableAudioDiTModel")
def stable_audio(fields: Fields) -> Network:
    """Stable Audio: frames behind a token of time and length, which look at the text."""
    heads, head_dim = fields.size("num_attention_heads"), fields.size("attention_head_dim")
    kv_heads = fields.size("num_key_value_attention_heads")
    fields.share("num_attention_heads", heads, "num_key_value_attention_heads", kv_heads)
    width, layers = heads * head_dim, fields.layers("num_layers")
    channels, outputs = fields.size("in_channels"), fields.size("out_channels")
    context, words = fields.size("cross_attention_dim"), fields.size("cross_attention_input_dim")
    frames = ratio(fields, "sample_size", 1024.0)
    own = multi_head(width, heads, head_dim)
    look = multi_head(width, heads, head_dim, kv_heads=kv_heads)
    looks = crossed(reading(look, context))
    layer = {
        **own.costs(),
        **Mlp(hidden=width, width=4 * width, gated=True, bias=True).costs(),
        "norm/layers": held(6 * width),
    }
    sines = fields.size("time_proj_dim")
    once = {
        "time/sines": held(sines // 2),
        "time/embedding": two_dense(sines, width),
        "time/length": two_dense(fields.size("global_states_input_dim"), width, bias=False),
    }
    stem = {"embedding/smooth": linear(channels, channels), "embedding/in": linear(channels, width)}
    head = {"head/out": linear(width, outputs), "head/smooth": linear(outputs, outputs)}

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy recordings."""
        batch = quantity("batch", inputs.batch)
        seen, asking = batch * length(inputs, TEXT_TOKENS), batch * (frames + 1)
        done: list[Line] = [*lines(once, batch), *lines(stem, batch * frames)]
        done += lines({"text/project": two_dense(words, context, bias=False)}, seen)
        done += lines(layer, asking, pairs=asking * (frames + 1), times=layers)
        done += crossing(looks, batch, asking, seen, times=layers)
        return Pass(lines=[*done, *lines(head, batch * frames)], items=batch * frames)

    return network(fields, run, item_unit="frame")
