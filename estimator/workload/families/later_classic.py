"""Which keys the decoders after GPT-2's generation and before Llama's use: BLOOM, MPT, Falcon.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from estimator.workload.blocks import Mlp
from estimator.workload.families.classic import LAYERS, Facts, assemble, attention, plain_mlp
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder


def bloom(fields: Fields) -> Decoder:
    """BLOOM: linear biases instead of positions, a norm after the token table."""
    block = attention(fields, width=("hidden_size", "n_embed"))
    facts = Facts(
        vocab=fields.size("vocab_size", default=250880),
        positions=fields.size("seq_length", default=2048),
        outer_norms=2,
    )
    mlp = Mlp(hidden=block.hidden, width=4 * block.hidden, bias=True)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


def mpt(fields: Fields) -> Decoder:
    """MPT: linear biases instead of positions, no biases, norms without bias."""
    block = attention(
        fields,
        width=("hidden_size", "d_model"),
        heads=("num_attention_heads", "n_heads"),
        qkv_bias=False,
        output_bias=False,
    )
    facts = Facts(
        vocab=fields.size("vocab_size", default=50368),
        positions=fields.size("max_seq_len", default=2048),
        norm_params=1,
    )
    mlp = Mlp(hidden=block.hidden, width=4 * block.hidden)
    layers = fields.layers("num_hidden_layers", "n_layers")
    return assemble(fields, (block,) * layers, mlp, facts)


def falcon(fields: Fields) -> Decoder:
    """Falcon: one key-value head (7B), or groups of them in the new architecture (40B, 180B)."""
    new = fields.flag("new_decoder_architecture")
    bias = fields.flag("bias")
    stated = fields.size_or_none("num_kv_heads")
    kv_heads = stated if new else 1 if fields.flag("multi_query", default=True) else None
    block = attention(
        fields,
        width=("hidden_size", "n_embed"),
        kv_heads=kv_heads,
        qkv_bias=bias,
        output_bias=bias,
    )
    parallel = fields.flag("parallel_attn", default=True)
    norms = fields.size_or_none("num_ln_in_parallel_attn") or (2 if new else 1)
    facts = Facts(
        vocab=fields.size("vocab_size", default=65024),
        positions=fields.size("max_position_embeddings", default=2048),
        norms=min(norms, 2) if parallel else 2,
    )
    mlp = plain_mlp(fields, block, "ffn_hidden_size", bias=bias)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


def persimmon(fields: Fields) -> Decoder:
    """Persimmon: biases everywhere, LayerNorm on queries and keys."""
    block = attention(fields)
    if fields.flag("qk_layernorm", default=True):
        block = replace(block, norm_params=4 * block.head_dim)
    facts = Facts(
        vocab=fields.size("vocab_size", default=262144),
        positions=fields.size("max_position_embeddings", default=16384),
        tied=False,
    )
    width = fields.size("intermediate_size", default=16384)
    mlp = Mlp(hidden=block.hidden, width=width, bias=True)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


def xglm(fields: Fields) -> Decoder:
    """XGLM: fixed sine positions, biases everywhere."""
    block = attention(
        fields, width=("hidden_size", "d_model"), heads=("num_attention_heads", "attention_heads")
    )
    facts = Facts(
        vocab=fields.size("vocab_size", default=256008),
        positions=fields.size("max_position_embeddings", default=2048),
    )
    mlp = Mlp(hidden=block.hidden, width=fields.size("ffn_dim", default=4096), bias=True)
    layers = fields.layers("num_hidden_layers", "num_layers")
    return assemble(fields, (block,) * layers, mlp, facts)


def biogpt(fields: Fields) -> Decoder:
    """BioGPT: learned positions with two spare rows."""
    block = attention(fields)
    positions = fields.size("max_position_embeddings", default=1024)
    facts = Facts(
        vocab=fields.size("vocab_size", default=42384),
        positions=positions,
        position_rows=positions + 2,
    )
    width = fields.size("intermediate_size", default=4096)
    mlp = Mlp(hidden=block.hidden, width=width, bias=True)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    "bloom": bloom,
    "mpt": mpt,
    "falcon": falcon,
    "persimmon": persimmon,
    "xglm": xglm,
    "biogpt": biogpt,
}
