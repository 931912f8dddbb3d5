"""Parts of text encoders: embeddings, a stack of layers, heads.

The class in `architectures` determines the head; without one, the bare trunk is counted. A family
is a row of facts for `text_encoder`. Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    layer_costs,
    params_only,
    table,
    vocabulary_head,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.model_class import classifier, head_note, label_head, task
from estimator.networks.network import Network, network

WIDTH = ("hidden_size", "dim", "d_model", "emb_dim")
HEADS = ("num_attention_heads", "n_heads")

LAYER_NORM = 2
"""Parameters per channel of a norm with weight and bias."""

HeadCosts = tuple[Costs, Costs]
"""Costs per position, and per sequence."""

BERT_POOLED = ("", "NextSentencePrediction", "MultipleChoice", "PreTraining")
LANGUAGE_TASKS = ("MaskedLM", "CausalLM", "PreTraining")
CLASSIFIERS = ("SequenceClassification", "MultipleChoice")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes in configs of the BERT line."""

    hidden: int
    layers: int
    heads: int
    width: int
    vocab: int
    positions: int
    types: int


def bert_sizes(fields: Fields) -> Sizes:
    """Read the sizes of a BERT-like config, with BERT's defaults if its type has none."""
    return Sizes(
        hidden=fields.size(*WIDTH, default=768),
        layers=fields.layers("num_hidden_layers", "n_layers", default=12),
        heads=fields.size(*HEADS, default=12),
        width=fields.size("intermediate_size", "hidden_dim", default=3072),
        vocab=fields.size("vocab_size", default=30522),
        positions=fields.size("max_position_embeddings", default=512),
        types=fields.size("type_vocab_size", default=2, least=0),
    )


def block(fields: Fields, sizes: Sizes, bias: bool = True) -> Costs:
    """Return attention and MLP with biases, and a norm after each."""
    keys = (fields.key(*WIDTH), fields.key(*HEADS))
    attention = equal_heads(fields, sizes.hidden, sizes.heads, keys, bias)
    mlp = Mlp(sizes.hidden, sizes.width, bias=bias)
    return layer_costs(attention, mlp, 2 * LAYER_NORM * sizes.hidden)


def tables(sizes: Sizes, width: int, norm: bool = True) -> Costs:
    """Return the tables of tokens, positions and sentence types, and the norm of their sum."""
    return {
        "embedding/token": table(sizes.vocab, width),
        "embedding/position": table(sizes.positions, width),
        "embedding/type": table(sizes.types, width),
        "norm/embedding": params_only(norm * LAYER_NORM * width),
    }


def nothing(fields: Fields, sizes: Sizes) -> Costs:
    """Return no further costs."""
    return {}


def equal_layers(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """Return layers with separate parameters."""
    return (Layers(costs=costs, times=sizes.layers),)


def heads(fields: Fields, sizes: Sizes, facts: "TextFacts") -> HeadCosts:
    """Return the heads of the class in the config."""
    kind, hidden = task(fields), sizes.hidden
    if kind in facts.own_heads:
        return facts.own_heads[kind](fields, sizes), {}
    after: dict[str, Cost] = {}
    once: dict[str, Cost] = {}
    if kind in facts.pooled:
        once["pooler"] = affine(hidden, hidden)
    if kind in LANGUAGE_TASKS:
        after |= language_head(fields, sizes, facts)
    if kind in ("PreTraining", "NextSentencePrediction"):
        once["head/sentence_order"] = affine(hidden, 2)
    after |= classifier(fields, hidden, "TokenClassification")
    if kind == "QuestionAnswering":
        after["head/span"] = label_head(fields, hidden)
    if kind in CLASSIFIERS:
        alone = kind == "SequenceClassification" or "pooler" not in once
        if kind in facts.dense_before and alone:
            once["head/dense"] = affine(hidden, hidden)
        once["head/classifier"] = label_head(fields, hidden)
    return after, once


def language_head(fields: Fields, sizes: Sizes, facts: "TextFacts") -> Costs:
    """Return the dense layer with norm, then the transposed token table and a bias."""
    own = not fields.flag("tie_word_embeddings", default=True)
    biases = 1 + (own and facts.twin_bias)
    width = fields.size_or(facts.width_key, sizes.hidden)
    return written_words(sizes.hidden, width, sizes.vocab, own=own, biases=biases)


def written_words(
    hidden: int, width: int, vocab: int, *, own: bool = False, biases: int = 1
) -> Costs:
    """Return the dense layer to `width` with norm, and logits over the vocabulary."""
    return {
        "head/transform": affine(hidden, width),
        "norm/head": params_only(LAYER_NORM * width),
        "head/logits": vocabulary_head(width, vocab, own=own, biases=biases),
    }


@dataclass(frozen=True, kw_only=True)
class TextFacts:
    """Differences between families of text encoders.

    Parameters
    ----------
    spare_positions : int
        Rows of the position table that no token uses [1].
    width_key : str
        Key of the token table's width, empty if it is the model width.
    has_positions, has_types, embedding_norm, bridged : bool
        Whether there is a learned position table, a sentence-type table, a norm on the sum of
        tables, and a projection after them even at equal width.
    layer, stack, extra : function
        Costs of a layer; the layers of these costs; further costs round the stack.
    causal : bool
        Whether attention is masked.
    pooled : tuple of str
        Tasks whose trunk ends in a pooler; the empty string is the bare trunk.
    dense_before : tuple of str
        Tasks of `CLASSIFIERS` with a dense layer before the labels.
    twin_bias : bool
        Whether an untied language head stores its bias twice.
    own_heads : mapping
        Task -> its own heads over every position.
    heads : function
        Heads of the class in the config.
    """

    spare_positions: int = 0
    width_key: str = ""
    has_positions: bool = True
    has_types: bool = True
    embedding_norm: bool = True
    bridged: bool = False
    layer: Callable[[Fields, Sizes], Costs] = block
    stack: Callable[[Fields, Sizes, Costs], tuple[Layers, ...]] = equal_layers
    extra: Callable[[Fields, Sizes], Costs] = nothing
    causal: bool = False
    pooled: tuple[str, ...] = ("SequenceClassification", *BERT_POOLED)
    dense_before: tuple[str, ...] = ()
    twin_bias: bool = True
    own_heads: Mapping[str, Callable[[Fields, Sizes], Costs]] = field(default_factory=dict)
    heads: Callable[[Fields, Sizes, "TextFacts"], HeadCosts] = heads


def text_encoder(facts: TextFacts, fields: Fields) -> Network:
    """Build the text encoder of a config, with the family's facts."""
    encoder = encoder_of(facts, fields)
    notes = head_note(fields, not task(fields) or encoder.after or encoder.once)
    return network(fields, encoder.run, notes, cache=encoder.cache if encoder.causal else ())


def encoder_of(facts: TextFacts, fields: Fields) -> Stack:
    """Build the encoder stack of a config."""
    sizes = bert_sizes(fields)
    width = fields.size_or(facts.width_key, sizes.hidden)
    rows = sizes.positions * facts.has_positions
    held_sizes = replace(sizes, positions=rows, types=sizes.types * facts.has_types)
    bridged = facts.bridged or width != sizes.hidden
    bridge = {"embedding/project_in": affine(width, sizes.hidden)} if bridged else {}
    after, once = facts.heads(fields, sizes, facts)
    return Stack(
        before={
            **tables(held_sizes, width, facts.embedding_norm),
            **bridge,
            **facts.extra(fields, sizes),
        },
        stack=facts.stack(fields, sizes, facts.layer(fields, sizes)),
        after=after,
        once=once,
        longest=max(sizes.positions - facts.spare_positions, 1),
        causal=facts.causal,
    )
