"""How much work RecurrentGemma is: gated linear recurrences (arXiv:2402.19427)."""

from dataclasses import replace

from estimator.workload.blocks import Mlp, held, linear
from estimator.workload.families.hybrid_stack import PLAIN, attending, attention_mixer
from estimator.workload.families.mixers import depthwise
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("recurrent_gemma")
def recurrent_gemma(fields: Fields) -> Network:
    """RecurrentGemma: gated linear recurrences and local attention (arXiv:2402.19427, sec. 2)."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    inner = fields.size_or_none("lru_width") or hidden
    kernel = fields.size("conv1d_width", default=4)
    gate = linear(inner // heads, inner, bias=True)
    recurrent = Layers(
        costs={
            "mixer/in": linear(hidden, 2 * inner, bias=True),
            "mixer/convolution": depthwise(inner, kernel, True),
            "mixer/input_gate": gate,
            "mixer/recurrent_gate": gate,
            "mixer/state": held(inner),
            "mixer/out": linear(inner, hidden, bias=True),
        },
        state_values=inner * kernel,
    )
    family = replace(PLAIN, output_bias=True)
    width = fields.size("intermediate_size") // 2
    mlp = Mlp(hidden=hidden, width=width, gated=True, bias=True).costs()
    attention = attention_mixer(family, fields, fields.size("attention_window_size"))
    stated = fields.items("block_types") or fields.items("_block_types")
    cycle = stated or ["recurrent", "recurrent", "attention"]
    layers = range(fields.layers("num_hidden_layers"))
    attends = (cycle[at % len(cycle)] == "attention" for at in layers)
    return attending(fields, attends, (recurrent, attention), mlp)
