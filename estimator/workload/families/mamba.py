"""Which language model of Mamba layers alone a config describes: Mamba, Falcon Mamba, Mamba-2."""

from dataclasses import replace

from estimator.workload.blocks import held
from estimator.workload.convolution import ratio
from estimator.workload.families.hybrid_stack import Hybrid, with_costs
from estimator.workload.families.mixers import Mamba, Mamba2, Mixer, Strata
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

UNBOUNDED = 10**9
"""A recurrent model has no longest sequence. [token]"""


def recurrent(
    fields: Fields,
    usual: tuple[int, int],
    layer: Mixer,
    *,
    tied: bool,
    outer_norm_params: int | None = None,
) -> Network:
    """A stack of equal recurrent layers; default rows of the token table, and default layers."""
    vocab, layers = usual
    return Hybrid(
        hidden=fields.size("hidden_size"),
        vocab=fields.size("vocab_size", default=vocab),
        positions=UNBOUNDED,
        strata=(Strata(mixer=layer, times=fields.layers("num_hidden_layers", default=layers)),),
        tied=tied,
        outer_norm_params=outer_norm_params,
    ).network(fields)


def _inner(fields: Fields, hidden: int) -> int:
    """Width inside the mixer: `expand` times the model's, whatever `intermediate_size` says."""
    return int(ratio(fields, "expand", 2) * hidden)


@family("mamba", "falcon_mamba")
def mamba(fields: Fields) -> Network:
    """Mamba: selective state spaces (arXiv:2312.00752, sec. 3.4)."""
    fields = replace(fields, values={"hidden_size": 768, **fields.values})
    hidden = fields.size("hidden_size")
    rank = fields.values.get("time_step_rank", "auto")
    scan = Mamba(
        hidden=hidden,
        inner=_inner(fields, hidden),
        state=fields.size("state_size", default=16),
        rank=-(-hidden // 16) if rank == "auto" else fields.size("time_step_rank"),
        kernel=fields.size("conv_kernel", default=4),
        conv_bias=fields.flag("use_conv_bias", default=True),
        bias=fields.flag("use_bias"),
    ).mixer()
    return recurrent(fields, (50280, 32), with_costs(scan, {}, 1, hidden), tied=True)


@family("mamba2")
def mamba2(fields: Fields) -> Network:
    """Mamba-2: heads with a scalar decay, scanned in chunks (arXiv:2405.21060, sec. 6)."""
    fields = replace(fields, values={"hidden_size": 4096, **fields.values})
    hidden = fields.size("hidden_size")
    inner = _inner(fields, hidden)
    heads = fields.size("num_heads", default=128)
    head_dim = fields.size("head_dim", default=64)
    if heads * head_dim != inner:
        rule = f"must be expand * hidden_size = {inner}"
        raise ValueError(f"num_heads times head_dim {rule}, got {heads} times {head_dim}")
    scan = Mamba2(
        hidden=hidden,
        inner=inner,
        heads=heads,
        groups=fields.size("n_groups", default=8),
        state=fields.size("state_size", default=128),
        kernel=fields.size("conv_kernel", default=4),
        chunk=fields.size("chunk_size", default=256),
        conv_bias=fields.flag("use_conv_bias", default=True),
        bias=fields.flag("use_bias"),
        normed=False,
    ).mixer()
    norms = {"norm/layers": held(hidden + inner)}
    layer = replace(scan, costs={**scan.costs, **norms})
    return recurrent(fields, (32768, 64), layer, tied=False)
