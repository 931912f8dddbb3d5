"""What text encoders are built of: tables, a stack of equal layers, heads.

The class in `architectures` decides the head; the bare trunk is counted where there is none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.network import Line, Network, Pass, Reach, length_warning, lines, sequence
from estimator.workload.transformer import attended_pairs

LAYER_NORM = 2
"""Parameters per channel of a norm with weight and bias."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Equal layers of a stack.

    Parameters
    ----------
    costs : mapping
        Costs of one layer.
    times : int
        Layers with parameters of their own. [1]
    reuse : int
        How often each is run, more than once where layers share weights. [1]
    window : int or None
        Keys each query may see on one side, the whole sequence if None. [token]
    """

    costs: Costs
    times: int = 1
    reuse: int = 1
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A text encoder.

    Parameters
    ----------
    before, after : mapping
        Costs per token round the stack: tables and norms, head over every position.
    stack : tuple of Group
        The layers.
    once : mapping
        Costs per sequence: poolers and heads on one token.
    rows : mapping
        Costs per row of a table of relative positions, and per (query, row) pair.
    row_count : function
        Rows of that table that a sequence uses.
    longest : int
        Longest sequence the model was made for. [token]
    causal : bool
        Attention is masked, so that a kernel may skip half of the scores.
    """

    before: Costs
    stack: tuple[Group, ...]
    after: Costs
    once: Costs
    longest: int
    causal: bool = False
    rows: Costs | None = None
    row_count: Callable[[Quantity], Quantity] = lambda seq_len: 0.0

    def lines(self, batch: Quantity, seq_len: Quantity, inputs: Inputs) -> list[Line]:
        """Lines of one pass."""
        tokens = batch * seq_len
        inputs = inputs if self.causal else replace(inputs, causal=False)
        done = [*lines(self.before, Reach(tokens=tokens))]
        for group in self.stack:
            pairs = batch * attended_pairs(seq_len, group.window, inputs)
            reach = Reach(tokens=group.reuse * tokens, pairs=group.reuse * pairs, times=group.times)
            done += lines(group.costs, reach)
        if self.rows:
            rows = self.row_count(seq_len)
            times = sum(group.times for group in self.stack)
            done += lines(self.rows, Reach(tokens=rows, pairs=tokens * rows, times=times))
        done += lines(self.after, Reach(tokens=tokens))
        return [*done, *lines(self.once, Reach(tokens=batch))]

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        return Pass(
            lines=self.lines(batch, seq_len, inputs),
            tokens=batch * seq_len,
            warnings=length_warning(seq_len, self.longest),
        )


def network(fields: Fields, encoder: Encoder, warnings: tuple[str, ...] = ()) -> Network:
    """The encoder under its name."""
    return Network(
        run=encoder.run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + warnings,
    )


def task(fields: Fields) -> str:
    """What the class does: `MaskedLM` for `BertForMaskedLM`; empty for a bare trunk."""
    name = class_name(fields)
    if name.endswith("LMHeadModel"):
        return "CausalLM"
    found = re.search(r"For([A-Z]\w*)$", name)
    return found.group(1) if found else ""


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The heads of a family: width of the trunk, of the table, and its habits.

    Parameters
    ----------
    hidden, table_width, vocab : int
        Width of the trunk, of the token table; rows of the table. [1]
    pooler : tuple of str
        Tasks whose trunk ends in a pooler, the bare trunk being the empty string.
    classifier_dense : bool
        A dense layer before the classifier of sequences.
    twin_bias : bool
        The language head holds its bias twice, tied together with its matrix.
    """

    hidden: int
    vocab: int
    table_width: int
    pooler: tuple[str, ...] = ("", "NextSentencePrediction", "MultipleChoice", "PreTraining")
    classifier_dense: bool = False
    twin_bias: bool = True
    transform_bias: bool = True


def heads(fields: Fields, facts: Heads) -> tuple[Costs, Costs, tuple[str, ...]]:
    """Costs over every position and per sequence of the class in the config, warnings."""
    kind, hidden = task(fields), facts.hidden
    after: dict[str, Cost] = {}
    once: dict[str, Cost] = {}
    if kind in facts.pooler:
        once["pooler"] = linear(hidden, hidden, bias=True)
    if kind in ("MaskedLM", "CausalLM", "PreTraining"):
        after |= language_head(fields, facts)
    if kind in ("PreTraining", "NextSentencePrediction"):
        once["head/sentence_order"] = linear(hidden, 2, bias=True)
    if kind == "TokenClassification":
        after["head/classifier"] = linear(hidden, label_count(fields), bias=True)
    if kind == "QuestionAnswering":
        after["head/span"] = linear(hidden, label_count(fields), bias=True)
    if kind == "SequenceClassification":
        if facts.classifier_dense:
            once["head/dense"] = linear(hidden, hidden, bias=True)
        once["head/classifier"] = linear(hidden, label_count(fields), bias=True)
    if kind == "MultipleChoice":
        if facts.classifier_dense and "pooler" not in once:
            once["head/dense"] = linear(hidden, hidden, bias=True)
        once["head/classifier"] = linear(hidden, 1, bias=True)
    known = not kind or after or once
    note = () if known else (f"the head of {class_name(fields)} is not counted",)
    return after, once, note


def language_head(fields: Fields, facts: Heads) -> Costs:
    """A dense layer with norm, then the transposed token table and a bias."""
    width, vocab = facts.table_width, facts.vocab
    tied = fields.flag("tie_word_embeddings", default=True)
    own = 0 if tied else vocab * width + facts.twin_bias * vocab
    params = vocab + own
    logits = Cost(params=params, active_params=params, flop_per_token=2 * vocab * width)
    return {
        "head/transform": linear(facts.hidden, width, facts.transform_bias),
        "norm/head": held(LAYER_NORM * width),
        "head/logits": logits,
    }


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the configs of the line state, with BERT's defaults."""

    hidden: int = 768
    layers: int = 12
    heads: int = 12
    width: int = 3072
    vocab: int = 30522
    positions: int = 512
    types: int = 2


def bert_sizes(fields: Fields, usual: Sizes) -> Sizes:
    """Sizes of a config of the BERT line."""
    return Sizes(
        hidden=fields.size("hidden_size", "dim", "d_model", default=usual.hidden),
        layers=fields.layers("num_hidden_layers", "n_layers", default=usual.layers),
        heads=fields.size("num_attention_heads", "n_heads", default=usual.heads),
        width=fields.size("intermediate_size", "hidden_dim", default=usual.width),
        vocab=fields.size("vocab_size", default=usual.vocab),
        positions=fields.size("max_position_embeddings", default=usual.positions),
        types=fields.size("type_vocab_size", default=usual.types, least=0),
    )


def block(fields: Fields, sizes: Sizes, bias: bool = True) -> Costs:
    """Attention and MLP with biases, a norm after each."""
    head_dim = fields.share(
        fields.key("hidden_size", "dim"),
        sizes.hidden,
        fields.key("num_attention_heads", "n_heads"),
        sizes.heads,
    )
    attention = Attention(
        hidden=sizes.hidden,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        head_dim=head_dim,
        qkv_bias=bias,
        output_bias=bias,
    )
    mlp = Mlp(hidden=sizes.hidden, width=sizes.width, bias=bias)
    norm = {"norm/layers": held(2 * LAYER_NORM * sizes.hidden)}
    return {**attention.costs(), **mlp.costs(), **norm}


def tables(sizes: Sizes, width: int, norm: bool = True) -> Costs:
    """Tables of tokens, positions and sentence types, and the norm on their sum."""
    return {
        "embedding/token": held(sizes.vocab * width),
        "embedding/position": held(sizes.positions * width),
        "embedding/type": held(sizes.types * width),
        "norm/embedding": held(norm * LAYER_NORM * width),
    }
