"""Text encoders with rotary positions and gated MLPs: ModernBERT, NomicBERT, GTE, EuroBERT.

Also version 2 of Jina's BERT, with linear-bias positions.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Costs,
    Mlp,
    equal_heads,
    layer_costs,
    linear,
    merged,
    params_only,
    vocabulary_head,
)
from estimator.networks.families.decoder import grouped_attention
from estimator.networks.families.dense_decoders import LLAMA
from estimator.networks.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.model_class import label_head, task, word_head
from estimator.networks.registry import families


def _norm(fields: Fields, sizes: Sizes) -> int:
    """Return the parameters of a ModernBERT norm."""
    return (1 + fields.flag("norm_bias")) * sizes.hidden


def _modern_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Return the gated MLP, with biases as in the config."""
    attention = equal_heads(fields, sizes.hidden, sizes.heads, bias=fields.flag("attention_bias"))
    bias = fields.flag("mlp_bias")
    mlp = Mlp(sizes.hidden, sizes.width, gated=True, bias=bias)
    return layer_costs(attention, mlp, 2 * _norm(fields, sizes))


def _modern_stack(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """Group layers by window; the first has no norm before its attention."""
    window = fields.size("local_attention", default=128) // 2
    period = fields.size("global_attn_every_n_layers", default=3)
    kinds = fields.items("layer_types", sizes.layers) or [
        "sliding_attention" if layer % period else "full_attention" for layer in range(sizes.layers)
    ]
    first = {**costs, "norm/layers": params_only(_norm(fields, sizes))}
    return tuple(
        Layers(
            costs=costs if layer else first,
            window=window if kind == "sliding_attention" else None,
            cache_values=2 * sizes.hidden,
        )
        for layer, kind in enumerate(kinds)
    )


def _modern_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """Return the dense layer and norm before every head; sentences are pooled without a matrix."""
    kind, hidden = task(fields), sizes.hidden
    before: Costs = {
        "head/transform": linear(hidden, hidden, bias=fields.flag("classifier_bias")),
        "norm/head": params_only(_norm(fields, sizes)),
    }
    if kind == "MaskedLM" or (facts.causal and kind == "CausalLM"):
        bias = fields.flag("decoder_bias", default=True)
        logits = word_head(fields, hidden, sizes.vocab, biases=bias)
        return {**before, "head/logits": logits}, {}
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {**before, "head/classifier": label_head(fields, hidden)}, {}
    if kind in CLASSIFIERS:
        bias = not facts.causal or fields.flag("classifier_bias")
        return {}, {**before, "head/classifier": label_head(fields, hidden, bias)}
    return {}, {}


def _nomic_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Return a gated MLP without biases; heads may have their own width."""
    shared = equal_heads(fields, sizes.hidden, sizes.heads, bias=False)
    attention = replace(shared, head_dim=fields.size_or("head_dim", shared.head_dim))
    mlp = Mlp(sizes.hidden, sizes.width, gated=True)
    return layer_costs(attention, mlp, 2 * LAYER_NORM * sizes.hidden)


def _gte_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Return a gated MLP with biases except at the gates."""
    hidden = sizes.hidden
    return merged(
        equal_heads(fields, hidden, sizes.heads).costs(),
        Mlp(hidden, sizes.width, gated=True).costs(),
        {"mlp/down": params_only(hidden), "norm/layers": params_only(2 * LAYER_NORM * hidden)},
    )


def _llama_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Return a Llama layer."""
    bias = fields.flag("mlp_bias")
    mlp = Mlp(sizes.hidden, sizes.width, gated=True, bias=bias)
    return layer_costs(grouped_attention(LLAMA, fields), mlp, 2 * sizes.hidden)


def _eurobert_words(fields: Fields, sizes: Sizes) -> Costs:
    """Return EuroBERT's logits, without a dense layer before them."""
    own, biases = not fields.flag("tie_word_embeddings"), fields.flag("mlp_bias")
    return {"head/logits": vocabulary_head(sizes.hidden, sizes.vocab, own=own, biases=biases)}


ROTARY = TextFacts(has_positions=False, has_types=False, embedding_norm=False)
MODERN = replace(
    ROTARY,
    layer=_modern_layer,
    stack=_modern_stack,
    extra=lambda fields, sizes: {"norm/outer": params_only(2 * _norm(fields, sizes))},
    heads=_modern_heads,
)

families(
    text_encoder,
    {
        "modernbert": MODERN,  # arXiv:2412.13663, sec. 2.1: local windows
        "modernbert-decoder": replace(MODERN, causal=True),
        "eurobert": replace(  # arXiv:2503.05500, sec. 2: a Llama that sees both ways
            ROTARY,
            layer=_llama_layer,
            extra=lambda fields, sizes: {"norm/outer": params_only(sizes.hidden)},
            pooled=(),
            dense_before=("SequenceClassification",),
            own_heads={"MaskedLM": _eurobert_words},
        ),
        "nomic_bert": TextFacts(  # arXiv:2402.01613
            has_positions=False, layer=_nomic_layer, pooled=("SequenceClassification",)
        ),
        "jina_bert": TextFacts(has_positions=False, layer=_gte_layer),  # arXiv:2310.19923
        "gte": TextFacts(  # arXiv:2407.19669
            has_positions=False, layer=_gte_layer, pooled=(), dense_before=CLASSIFIERS
        ),
    },
)
