"""Which language model that mixes attention with recurrent layers a config describes.

Defaults are those of transformers 5.23.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Costs, Experts, Mlp, held, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.mixers import (
    DeltaNet,
    Mamba,
    Mamba2,
    Mixer,
    Strata,
    depthwise,
)
from estimator.workload.families.mixture import EXPERTS, every_step, routed
from estimator.workload.families.rotary import (
    Family,
    flag,
    grouped_attention,
    head_norm,
    output_head,
    width_norm,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, Reach, length_warning, lines, sequence

ATTENTION_KINDS = ("attention", "full_attention", "hybrid")
"""What the configs call a layer that attends."""

PLAIN = Family(
    vocab=32000,
    intermediate=14336,
    positions=262144,
    kv_heads=8,
    qkv_bias=flag("attention_bias"),
    output_bias=flag("attention_bias"),
)


@dataclass(frozen=True, kw_only=True)
class Hybrid:
    """A stack of unlike layers between a token table and a head.

    Parameters
    ----------
    hidden, vocab, positions : int
        Model width; rows of the token table; longest sequence. [1]
    strata : tuple of Strata
        The layers by kind.
    tied : bool
        Default of `tie_word_embeddings`.
    """

    hidden: int
    vocab: int
    positions: int
    strata: tuple[Strata, ...]
    tied: bool = False

    def network(self, fields: Fields) -> Network:
        """The model under its name, with the head of its class."""
        head, warnings = output_head(fields, self.vocab, self.tied)
        after: Costs = {} if head is None else {"head/logits": head.cost(self.hidden)}

        def run(inputs: Inputs) -> Pass:
            batch, seq_len = sequence(inputs, self.positions)
            done = [
                *lines(
                    {"embedding/token": held(self.vocab * self.hidden)},
                    Reach(tokens=batch * seq_len),
                )
            ]
            for part in self.strata:
                done += part.lines(batch, seq_len, inputs)
            done += lines({"norm/outer": held(self.hidden), **after}, Reach(tokens=batch * seq_len))
            warned = length_warning(seq_len, self.positions)
            return Pass(lines=done, tokens=batch * seq_len, warnings=warned)

        return Network(
            run=run,
            model_type=fields.text("model_type"),
            name=fields.text("_name_or_path"),
            warnings=warnings,
            cache=tuple(
                part.cache
                for part in self.strata
                if part.mixer.cache_values or part.mixer.state_values
            ),
        )


def _hybrid(fields: Fields, family: Family, layers: Iterable[Mixer]) -> Network:
    """The model of layers from input to output; equal ones are the same object."""
    found = list(layers)
    counts = Counter(id(layer) for layer in found)
    kinds = {id(layer): layer for layer in found}
    strata = tuple(Strata(mixer=kinds[key], times=times) for key, times in counts.items())
    return _model(fields, family, strata)


def _model(fields: Fields, family: Family, strata: tuple[Strata, ...]) -> Network:
    return Hybrid(
        hidden=fields.size("hidden_size"),
        vocab=fields.size("vocab_size", default=family.vocab),
        positions=fields.size("max_position_embeddings", default=family.positions),
        strata=strata,
        tied=family.tied,
    ).network(fields)


def _with(mixer: Mixer, costs: Costs, norms: int, hidden: int) -> Mixer:
    """A mixer with further costs per token and with RMS norms."""
    return replace(mixer, costs={**mixer.costs, **costs, "norm/layers": held(norms * hidden)})


def _attention(family: Family, fields: Fields, window: int | None = None) -> Mixer:
    """Attention of a config as a mixer."""
    part = grouped_attention(family, fields)
    return Mixer(costs=part.costs(), window=window, cache_values=part.cache_values_per_token)


def _mlp(fields: Fields, default: int, bias: bool = False) -> Costs:
    width = fields.size("intermediate_size", default=default)
    hidden = fields.size("hidden_size")
    return Mlp(hidden=hidden, width=width, gated=True, bias=bias).costs()


def _kinds(fields: Fields, *keys: str) -> list[str] | None:
    """The kind of each layer where one of `keys` lists them."""
    for key in keys:
        listed = fields.items(key)
        if listed is not None:
            return [str(kind) for kind in listed]
    return None


def _bamba_mixer(fields: Fields, groups: int = 1, state: int = 256) -> Mixer:
    """Mamba-2 under the keys of IBM's models."""
    hidden = fields.size("hidden_size")
    inner = fields.size_or_none("mamba_d_ssm") or int(ratio(fields, "mamba_expand", 2) * hidden)
    return Mamba2(
        hidden=hidden,
        inner=inner,
        heads=fields.size("mamba_n_heads", default=128),
        groups=fields.size("mamba_n_groups", default=groups),
        state=fields.size("mamba_d_state", default=state),
        kernel=fields.size("mamba_d_conv", default=4),
        chunk=fields.size("mamba_chunk_size", default=256),
        conv_bias=fields.flag("mamba_conv_bias", default=True),
        bias=fields.flag("mamba_proj_bias"),
        normed=fields.flag("mamba_rms_norm", default=True),
    ).mixer()


def bamba(fields: Fields) -> Network:
    """Bamba: Mamba-2 with some layers of attention, an MLP in each."""
    hidden = fields.size("hidden_size")
    mlp = _mlp(fields, 14336, fields.flag("mlp_bias"))
    family = replace(PLAIN, vocab=128000)
    attends = _with(_attention(family, fields), mlp, 2, hidden)
    scans = _with(_bamba_mixer(fields), mlp, 2, hidden)
    chosen = fields.items("attn_layer_indices") or []
    layers = fields.layers("num_hidden_layers", default=32)
    return _hybrid(fields, family, (attends if at in chosen else scans for at in range(layers)))


def granite(fields: Fields) -> Network:
    """Granite 4: Mamba-2 or attention, then a shared MLP beside routed experts, if any."""
    hidden = fields.size("hidden_size")
    count = fields.size_or_none(*EXPERTS, default=8, least=0) or 0
    width = fields.size("shared_intermediate_size", default=1024)
    shared = Mlp(hidden=hidden, width=width, gated=True)
    block: Costs = shared.costs()
    if count:
        block = Experts(
            expert=Mlp(
                hidden=hidden, width=fields.size("intermediate_size", default=11008), gated=True
            ),
            experts=count,
            active=routed(fields, ("num_experts_per_tok", 2), EXPERTS, count),
            shared=shared,
        ).costs()
    family = replace(PLAIN, positions=2048, kv_heads=None)
    attends = _with(_attention(family, fields), block, 2, hidden)
    scans = _with(_bamba_mixer(fields), block, 2, hidden)
    layers = fields.layers("num_hidden_layers", default=32)
    kinds = _kinds(fields, "layer_types", "layers_block_type") or ["mamba"] * layers
    return _hybrid(
        fields, family, (attends if kind in ATTENTION_KINDS else scans for kind in kinds)
    )


def falcon_h1(fields: Fields) -> Network:
    """Falcon-H1: attention and Mamba-2 side by side in every layer (arXiv:2507.22448, sec. 2)."""
    hidden = fields.size("hidden_size")
    fields = replace(fields, values={"mamba_rms_norm": False, **fields.values})
    if fields.values.get("mamba_d_ssm", 0) == 0:
        fields = replace(fields, values={**fields.values, "mamba_d_ssm": 1024})
    family = replace(PLAIN, vocab=128000, positions=8192)
    attends, scans = _attention(family, fields), _bamba_mixer(fields)
    both = replace(
        scans,
        costs={**scans.costs, **attends.costs},
        cache_values=attends.cache_values,
    )
    layer = _with(both, _mlp(fields, 14336, fields.flag("mlp_bias")), 2, hidden)
    return _hybrid(fields, family, [layer] * fields.layers("num_hidden_layers", default=32))


def jamba(fields: Fields) -> Network:
    """Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887, sec. 2)."""
    hidden = fields.size("hidden_size")
    rank = fields.values.get("mamba_dt_rank", "auto")
    scan = Mamba(
        hidden=hidden,
        inner=int(ratio(fields, "mamba_expand", 2) * hidden),
        state=fields.size("mamba_d_state", default=16),
        rank=-(-hidden // 16) if rank == "auto" else fields.size("mamba_dt_rank"),
        kernel=fields.size("mamba_d_conv", default=4),
        conv_bias=fields.flag("mamba_conv_bias", default=True),
        bias=fields.flag("mamba_proj_bias"),
        normed=True,
    ).mixer()
    family = replace(PLAIN, vocab=65536, qkv_bias=lambda _: False, output_bias=lambda _: False)
    count = fields.size("num_experts", default=16)
    width = fields.size("intermediate_size", default=14336)
    expert = Mlp(hidden=hidden, width=width, gated=True)
    active = routed(fields, ("num_experts_per_tok", 2), ("num_experts",), count)
    blocks: tuple[Costs, Costs] = (
        expert.costs(),
        Experts(expert=expert, experts=count, active=active).costs()
        if count > 1
        else expert.costs(),
    )
    made = {
        (attends, sparse): _with(mixer, blocks[sparse], 2, hidden)
        for attends, mixer in ((False, scan), (True, _attention(family, fields)))
        for sparse in (False, True)
    }
    period = fields.size("attn_layer_period", default=8)
    offset = fields.size("attn_layer_offset", default=4, least=0)
    expert_period = fields.size("expert_layer_period", default=2)
    expert_offset = fields.size("expert_layer_offset", default=1, least=0)
    layers = fields.layers("num_hidden_layers", default=32)
    kinds = ((at % period == offset, at % expert_period == expert_offset) for at in range(layers))
    return _hybrid(fields, family, (made[kind] for kind in kinds))


NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


def nemotron_h(fields: Fields) -> Network:
    """Nemotron-H: each layer is one of Mamba-2, attention, MLP, experts (arXiv:2504.03624)."""
    hidden = fields.size("hidden_size", default=4096)
    family = replace(PLAIN, vocab=131072, positions=4096, head_dim=128)
    heads = fields.size("mamba_num_heads", default=128)
    scan = Mamba2(
        hidden=hidden,
        inner=heads * fields.size("mamba_head_dim", default=64),
        heads=heads,
        groups=fields.size("n_groups", default=8),
        state=fields.size("ssm_state_size", default=128),
        kernel=fields.size("conv_kernel", default=4),
        chunk=fields.size("chunk_size", default=128),
        conv_bias=fields.flag("use_conv_bias", default=True),
        bias=fields.flag("use_bias"),
    ).mixer()
    width = fields.size("intermediate_size", default=21504)
    mlp = Mlp(hidden=hidden, width=width, bias=fields.flag("mlp_bias"))
    pattern = fields.text("hybrid_override_pattern")
    kinds = _kinds(fields, "layers_block_type", "layer_types")
    if kinds is None:
        if not pattern:
            raise ValueError("hybrid_override_pattern is missing from the config")
        if set(pattern) - set(NEMOTRON_LETTERS):
            raise ValueError(f"hybrid_override_pattern must hold only M, E, * and -: {pattern!r}")
        kinds = [NEMOTRON_LETTERS[letter] for letter in pattern]
    made = {
        "mlp": _with(Mixer(), mlp.costs(), 1, hidden),
        "attention": _with(_attention(family, fields), {}, 1, hidden),
        "mamba": _with(scan, {}, 1, hidden),
    }
    if "moe" in kinds:
        made["moe"] = _with(Mixer(), _nemotron_experts(fields, hidden), 1, hidden)
    names = {"full_attention": "attention", "linear_attention": "mamba"}
    return _hybrid(fields, family, (made[names.get(kind, kind)] for kind in kinds))


def _nemotron_experts(fields: Fields, hidden: int) -> Costs:
    """Experts without gates, in a narrower space where `moe_latent_size` says so."""
    count = fields.size("n_routed_experts", default=8)
    narrow = fields.size_or_none("moe_latent_size")
    width = fields.size("moe_intermediate_size", default=7688)
    shared = fields.size("moe_shared_expert_intermediate_size", default=7688)
    costs = Experts(
        expert=Mlp(hidden=narrow or hidden, width=width),
        experts=count,
        active=routed(fields, ("num_experts_per_tok", 2), ("n_routed_experts",), count),
        shared=Mlp(hidden=hidden, width=shared),
    ).costs()
    bridges: Costs = {}
    if narrow is not None:
        bridges = {"moe/narrow": linear(hidden, narrow), "moe/widen": linear(narrow, hidden)}
    return {**costs, "moe/router": linear(hidden, count), **bridges}


def _delta(fields: Fields, key_heads: int, value_heads: int, dims: tuple[int, int]) -> DeltaNet:
    return DeltaNet(
        hidden=fields.size("hidden_size"),
        key_heads=fields.size("linear_num_key_heads", default=key_heads),
        value_heads=fields.size("linear_num_value_heads", default=value_heads),
        key_dim=fields.size("linear_key_head_dim", default=dims[0]),
        value_dim=fields.size("linear_value_head_dim", default=dims[1]),
        kernel=fields.size("linear_conv_kernel_dim", default=4),
    )


def _every_fourth(fields: Fields, layers: int) -> list[str]:
    """Kinds as listed, else attention in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    usual = ["attention" if (at + 1) % period == 0 else "linear" for at in range(layers)]
    return _kinds(fields, "layer_types") or usual


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What sets the models with a gated delta rule apart: experts, their width, layers."""

    vocab: int
    layers: int
    kv_heads: int
    intermediate: int
    experts: int = 0
    active: int = 0


def gated_delta(facts: Gated, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(
        PLAIN,
        vocab=facts.vocab,
        positions=32768,
        kv_heads=facts.kv_heads,
        head_dim=256,
        qk_norm=head_norm,
    )
    attention = grouped_attention(family, fields)
    width = attention.heads * attention.head_dim
    attends = Mixer(
        costs={
            **attention.costs(),
            "attention/gate": linear(hidden, width, attention.qkv_bias),
        },
        cache_values=attention.cache_values_per_token,
    )
    scans = _delta(fields, 16, 32, (128, 128)).mixer()
    layers = fields.layers("num_hidden_layers", default=facts.layers)
    blocks: list[Costs] = [{}, {}]
    if facts.experts:
        count = fields.size("num_experts", default=facts.experts)
        each = fields.size("moe_intermediate_size", default=512)
        shared = fields.size("shared_expert_intermediate_size", default=512)
        active = ("num_experts_per_tok", facts.active)
        blocks[1] = Experts(
            expert=Mlp(hidden=hidden, width=each, gated=True),
            experts=count,
            active=routed(fields, active, ("num_experts",), count),
            shared=Mlp(hidden=hidden, width=shared, gated=True),
            shared_gate=True,
        ).costs()
    sparse = [bool(facts.experts) and every_step(fields, at) for at in range(layers)]
    if not all(sparse):
        blocks[0] = _mlp(fields, facts.intermediate)
    made = {
        (attending, routing): _with(mixer, blocks[routing], 2, hidden)
        for attending, mixer in ((False, scans), (True, attends))
        for routing in (False, True)
    }
    kinds = _every_fourth(fields, layers)
    return _hybrid(
        fields,
        family,
        (
            made[kind in ATTENTION_KINDS, routing]
            for kind, routing in zip(kinds, sparse, strict=True)
        ),
    )


def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(PLAIN, vocab=100352, positions=65536, kv_heads=None, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * hidden / heads)
    delta = _delta(fields, heads, heads, (head_dim, 2 * head_dim))
    mlp = _mlp(fields, 11008)
    attends = _with(_attention(family, fields), mlp, 2, hidden)
    scans = _with(delta.mixer(), mlp, 2, hidden)
    kinds = _every_fourth(fields, fields.layers("num_hidden_layers", default=32))
    return _hybrid(
        fields, family, (attends if kind in ATTENTION_KINDS else scans for kind in kinds)
    )


def lfm2(fields: Fields) -> Network:
    """LFM2: short gated convolutions with some layers of attention."""
    hidden = fields.size("hidden_size", default=2560)
    width = fields.size("intermediate_size", "block_ff_dim", default=12288)
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.size("block_multiple_of", default=256)
        factor = ratio(fields, "block_ffn_dim_multiplier", 1.0)
        width = -(-int(factor * (2 * width // 3)) // step) * step
    mlp = Mlp(hidden=hidden, width=width, gated=True).costs()
    bias = fields.flag("conv_bias")
    kernel = fields.size("conv_L_cache", default=3)
    short = Mixer(
        costs={
            "mixer/in": linear(hidden, 3 * hidden, bias),
            "mixer/convolution": depthwise(hidden, kernel, bias),
            "mixer/out": linear(hidden, hidden, bias),
        },
        state_values=hidden * kernel,
    )
    tied = fields.flag("tie_embedding", default=fields.flag("tie_word_embeddings", default=True))
    fields = replace(fields, values={**fields.values, "tie_word_embeddings": tied})
    family = Family(
        vocab=65536, intermediate=12288, positions=128000, kv_heads=8, qk_norm=head_norm
    )
    layers = fields.layers("num_hidden_layers", default=32)
    listed = fields.items("full_attn_idxs")
    chosen = range(layers) if listed is None else listed
    usual = ["full_attention" if at in chosen else "conv" for at in range(layers)]
    attends = _with(_attention(family, fields), mlp, 2, hidden)
    convolves = _with(short, mlp, 2, hidden)
    kinds = _kinds(fields, "layer_types") or usual
    return _hybrid(
        fields, family, (attends if kind in ATTENTION_KINDS else convolves for kind in kinds)
    )


def recurrent_gemma(fields: Fields) -> Network:
    """RecurrentGemma: gated linear recurrences and local attention [1]_.

    References
    ----------
    .. [1] S. De et al., "Griffin", 2024, arXiv:2402.19427, sec. 2.
    """
    hidden = fields.size("hidden_size", default=2560)
    inner = fields.size_or_none("lru_width") or hidden
    heads = fields.size("num_attention_heads", default=10)
    kernel = fields.size("conv1d_width", default=4)
    gate = linear(inner // heads, inner, bias=True)
    recurrent = Mixer(
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
    family = replace(PLAIN, vocab=256000, kv_heads=None, tied=True, output_bias=lambda _: True)
    width = fields.size("intermediate_size", default=7680) // 2
    mlp = Mlp(hidden=hidden, width=width, gated=True, bias=True).costs()
    window = fields.size("attention_window_size", default=2048)
    attends = _with(_attention(family, fields, window), mlp, 2, hidden)
    recurs = _with(recurrent, mlp, 2, hidden)
    kinds = _kinds(fields, "block_types", "_block_types") or ["recurrent", "recurrent", "attention"]
    layers = fields.layers("num_hidden_layers", default=26)
    return _hybrid(
        fields,
        family,
        (attends if kinds[at % len(kinds)] == "attention" else recurs for at in range(layers)),
    )


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "bamba": bamba,
    "granitemoehybrid": granite,
    "falcon_h1": falcon_h1,
    "jamba": jamba,
    "nemotron_h": nemotron_h,
    "olmo_hybrid": olmo_hybrid,
    "lfm2": lfm2,
    "recurrent_gemma": recurrent_gemma,
    "qwen3_next": partial(
        gated_delta,
        Gated(vocab=151936, layers=48, kv_heads=2, intermediate=5632, experts=512, active=10),
    ),
    "qwen3_5_text": partial(
        gated_delta, Gated(vocab=248320, layers=32, kv_heads=4, intermediate=12288)
    ),
    "qwen3_5_moe_text": partial(
        gated_delta,
        Gated(vocab=248320, layers=40, kv_heads=2, intermediate=0, experts=256, active=8),
    ),
}
