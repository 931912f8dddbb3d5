"""Which text encoder with rotary positions and gated MLPs: ModernBERT, NomicBERT, GTE, EuroBERT."""

from estimator.workload.blocks import (
    Attention,
    Costs,
    Mlp,
    equal_heads,
    held,
    layer_costs,
    linear,
    merged,
    table,
    vocabulary_head,
)
from estimator.workload.families.decoder import decoder
from estimator.workload.families.dense_decoders import LLAMA
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    bert_sizes,
    no_positions,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.model_class import classifier, head_note, label_count, task
from estimator.workload.network import Network, network
from estimator.workload.registry import families, family


@family("modernbert", "modernbert-decoder")
def modernbert(fields: Fields) -> Network:
    """ModernBERT: local windows, no biases (arXiv:2412.13663, sec. 2.1); also as a decoder."""
    sizes = bert_sizes(fields)
    hidden = sizes.hidden
    norm = (1 + fields.flag("norm_bias")) * hidden
    bias = fields.flag("attention_bias")
    attention = equal_heads(fields, hidden, sizes.heads, bias=bias)
    mlp = Mlp(hidden=hidden, width=sizes.width, gated=True, bias=fields.flag("mlp_bias"))
    costs = layer_costs(attention, mlp, 2 * norm)
    after, once, notes = _modern_heads(fields, sizes, norm)
    encoder = Stack(
        before={"embedding/token": table(sizes.vocab, hidden), "norm/outer": held(2 * norm)},
        stack=_modern_stack(fields, sizes, costs, norm),
        after=after,
        once=once,
        longest=sizes.positions,
        causal=fields.text("model_type").endswith("decoder"),
    )
    return network(fields, encoder.run, notes, cache=encoder.cache if encoder.causal else ())


def _modern_stack(fields: Fields, sizes: Sizes, costs: Costs, norm: int) -> tuple[Layers, ...]:
    """Layers by window; the first has no norm before its attention."""
    window = fields.size("local_attention", default=128) // 2
    period = fields.size("global_attn_every_n_layers", default=3)
    kinds = fields.items("layer_types", sizes.layers) or [
        "sliding_attention" if layer % period else "full_attention" for layer in range(sizes.layers)
    ]
    first = {**costs, "norm/layers": held(norm)}
    return tuple(
        Layers(
            costs=costs if layer else first,
            window=window if kind == "sliding_attention" else None,
            cache_values=2 * sizes.hidden,
        )
        for layer, kind in enumerate(kinds)
    )


def _modern_heads(fields: Fields, sizes: Sizes, norm: int) -> HeadCosts:
    """A dense layer and a norm before every head; sentences are pooled without a matrix."""
    kind, hidden = task(fields), sizes.hidden
    if not kind:
        return {}, {}, ()
    before: Costs = {
        "head/transform": linear(hidden, hidden, bias=fields.flag("classifier_bias")),
        "norm/head": held(norm),
    }
    decodes = fields.text("model_type").endswith("decoder")
    if kind == "MaskedLM" or (decodes and kind == "CausalLM"):
        tied = fields.flag("tie_word_embeddings", default=True)
        bias = fields.flag("decoder_bias", default=True)
        logits = vocabulary_head(hidden, sizes.vocab, own=not tied, biases=bias)
        return {**before, "head/logits": logits}, {}, ()
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {**before, "head/classifier": linear(hidden, label_count(fields), bias=True)}, {}, ()
    if kind in ("SequenceClassification", "MultipleChoice"):
        outputs = label_count(fields) if kind == "SequenceClassification" else 1
        bias = not decodes or fields.flag("classifier_bias")
        return {}, {**before, "head/classifier": linear(hidden, outputs, bias)}, ()
    return {}, {}, head_note(fields, False)


def _nomic_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Gated MLP, no biases; heads may have a width of their own."""
    keys = ("hidden_size", "num_attention_heads")
    shared = fields.share(keys[0], sizes.hidden, keys[1], sizes.heads)
    head_dim = fields.size_or_none("head_dim") or shared
    attention = Attention(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.heads, head_dim=head_dim
    )
    mlp = Mlp(hidden=sizes.hidden, width=sizes.width, gated=True)
    return layer_costs(attention, mlp, 2 * LAYER_NORM * sizes.hidden)


def _gte_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Gated MLP, biases everywhere but at the gates."""
    hidden = sizes.hidden
    return merged(
        equal_heads(fields, hidden, sizes.heads).costs(),
        Mlp(hidden=hidden, width=sizes.width, gated=True).costs(),
        {"mlp/down": held(hidden), "norm/layers": held(2 * LAYER_NORM * hidden)},
    )


families(
    text_encoder,
    {
        "nomic_bert": TextFacts(  # arXiv:2402.01613
            position_rows=no_positions,
            layer=_nomic_layer,
            pooled=("SequenceClassification",),
        ),
        "gte": TextFacts(  # arXiv:2407.19669
            position_rows=no_positions,
            layer=_gte_layer,
            pooled=(),
            dense_before=CLASSIFIERS,
        ),
    },
)


@family("eurobert")
def eurobert(fields: Fields) -> Network:
    """EuroBERT: a Llama that sees both ways, with its own head (arXiv:2503.05500, sec. 2)."""
    bare = fields.with_values({"architectures": ["EuroBertModel"]})
    trunk = decoder(LLAMA, bare)
    kind, hidden = task(fields), trunk.hidden
    after = dict(classifier(fields, hidden, "TokenClassification"))
    once = dict(classifier(fields, hidden, "SequenceClassification"))
    if kind == "MaskedLM":
        own, biases = not fields.flag("tie_word_embeddings"), fields.flag("mlp_bias")
        after["head/logits"] = vocabulary_head(hidden, trunk.vocab, own=own, biases=biases)
    if once:
        once["head/dense"] = linear(hidden, hidden, bias=True)
    encoder = Stack(
        before={
            "embedding/token": table(trunk.vocab, hidden),
            "norm/outer": held(trunk.outer_norm_params),
        },
        stack=(Layers(costs=trunk.layers[0].costs(), times=len(trunk.layers)),),
        after=after,
        once=once,
        longest=trunk.max_positions,
    )
    return network(fields, encoder.run)
