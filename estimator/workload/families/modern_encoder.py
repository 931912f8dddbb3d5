"""Which recent text encoder a config describes: rotary positions, gated MLPs.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear
from estimator.workload.families.encoder import (
    Encoder,
    Group,
    Heads,
    Sizes,
    bert_sizes,
    heads,
    network,
    task,
)
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.network import Network


def modernbert(fields: Fields) -> Network:
    """ModernBERT: rotary positions, gated MLPs, local windows, no biases [1]_.

    References
    ----------
    .. [1] B. Warner et al., "Smarter, better, faster, longer", 2024, arXiv:2412.13663, sec. 2.1.
    """
    usual = Sizes(layers=22, width=1152, vocab=50368, positions=8192, types=0)
    sizes = bert_sizes(fields, usual)
    hidden = sizes.hidden
    norm = (1 + fields.flag("norm_bias")) * hidden
    bias = fields.flag("attention_bias")
    attention = Attention(
        hidden=hidden,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        head_dim=fields.share("hidden_size", hidden, "num_attention_heads", sizes.heads),
        qkv_bias=bias,
        output_bias=bias,
    )
    mlp = Mlp(hidden=hidden, width=sizes.width, gated=True, bias=fields.flag("mlp_bias"))
    costs = {**attention.costs(), **mlp.costs(), "norm/layers": held(2 * norm)}
    after, once, notes = _modern_heads(fields, sizes, norm)
    encoder = Encoder(
        before={"embedding/token": held(sizes.vocab * hidden), "norm/outer": held(2 * norm)},
        stack=_modern_stack(fields, sizes, costs, norm),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def _modern_stack(fields: Fields, sizes: Sizes, costs: Costs, norm: int) -> tuple[Group, ...]:
    """Layers by window; the first has no norm before its attention."""
    window = fields.size("local_attention", default=128) // 2
    period = fields.size("global_attn_every_n_layers", default=3)
    kinds = fields.items("layer_types", sizes.layers) or [
        "sliding_attention" if layer % period else "full_attention" for layer in range(sizes.layers)
    ]
    first = {**costs, "norm/layers": held(norm)}
    return tuple(
        Group(
            costs=costs if layer else first,
            window=window if kind == "sliding_attention" else None,
        )
        for layer, kind in enumerate(kinds)
    )


def _modern_heads(fields: Fields, sizes: Sizes, norm: int) -> tuple[Costs, Costs, tuple[str, ...]]:
    """A dense layer and a norm before every head; sentences are pooled without a matrix."""
    kind, hidden = task(fields), sizes.hidden
    if not kind:
        return {}, {}, ()
    before: Costs = {
        "head/transform": linear(hidden, hidden, bias=fields.flag("classifier_bias")),
        "norm/head": held(norm),
    }
    if kind == "MaskedLM":
        tied = fields.flag("tie_word_embeddings", default=True)
        bias = fields.flag("decoder_bias", default=True)
        params = sizes.vocab * (hidden * (not tied) + bias)
        logits = Cost(params=params, active_params=params, flop_per_token=2 * hidden * sizes.vocab)
        return {**before, "head/logits": logits}, {}, ()
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {**before, "head/classifier": linear(hidden, label_count(fields), bias=True)}, {}, ()
    if kind in ("SequenceClassification", "MultipleChoice"):
        outputs = label_count(fields) if kind == "SequenceClassification" else 1
        return {}, {**before, "head/classifier": linear(hidden, outputs, bias=True)}, ()
    return {}, {}, (f"the head of {class_name(fields)} is not counted",)


def nomic_bert(fields: Fields) -> Network:
    """NomicBERT: types but no positions, gated MLPs, no biases (arXiv:2402.01613)."""
    sizes = bert_sizes(fields, Sizes(vocab=30528, positions=2048))
    hidden = sizes.hidden
    head_dim = fields.size_or_none("head_dim") or fields.share(
        "hidden_size", hidden, "num_attention_heads", sizes.heads
    )
    attention = Attention(hidden=hidden, heads=sizes.heads, kv_heads=sizes.heads, head_dim=head_dim)
    mlp = Mlp(hidden=hidden, width=sizes.width, gated=True)
    costs = {**attention.costs(), **mlp.costs(), "norm/layers": held(4 * hidden)}
    after, once, notes = heads(
        fields,
        Heads(
            hidden=hidden,
            vocab=sizes.vocab,
            table_width=hidden,
            pooler=("SequenceClassification",),
        ),
    )
    encoder = Encoder(
        before={
            "embedding/token": held(sizes.vocab * hidden),
            "embedding/type": held(sizes.types * hidden),
            "norm/embedding": held(2 * hidden),
        },
        stack=(Group(costs=costs, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "modernbert": modernbert,
    "nomic_bert": nomic_bert,
}
