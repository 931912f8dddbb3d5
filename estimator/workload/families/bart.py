"""Which encoder-decoder of BART's line a config describes: BART, mBART, Pegasus, Marian, M2M.

Defaults are those of transformers 5.23.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Mlp, held, table
from estimator.workload.families.encoder_decoder import (
    EncoderDecoder,
    Side,
    cached_network,
    head,
    token_tables,
)
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import families, family


@dataclass(frozen=True, kw_only=True)
class BartFacts:
    """What sets one family of BART's line apart.

    Parameters
    ----------
    vocab, hidden, ffn, heads, positions : int
        Defaults. [1]
    layers : tuple of int
        Default layers of encoder and decoder. [1]
    spare_positions : int or None
        Rows of the position table beyond the positions; None without parameters. [1]
    embedding_norm, final_norm : bool
        A norm after the tables; after the last layer.
    """

    vocab: int = 50265
    hidden: int = 1024
    layers: tuple[int, int] = (12, 12)
    heads: tuple[int, int] = (16, 16)
    ffn: tuple[int, int] = (4096, 4096)
    positions: int = 1024
    spare_positions: int | None = 2
    embedding_norm: bool = True
    final_norm: bool = False


APART = ("marian", "fsmt")
"""Families whose sides may have tables of their own."""

BART = BartFacts()
MBART = BartFacts(final_norm=True)
PEGASUS = BartFacts(spare_positions=0, embedding_norm=False, final_norm=True)


def bart(facts: BartFacts, fields: Fields) -> Network:
    """BART: learned positions, biases everywhere, one token table."""
    hidden = fields.size("hidden_size", "d_model", default=facts.hidden)
    vocab = fields.size("vocab_size", default=facts.vocab)
    tied = fields.flag("tie_word_embeddings", default=True)
    decoder_only = task(fields) == "CausalLM"
    after, once = head(fields, hidden, _decoded_vocab(fields, vocab), tied)
    cross = _attention(fields, facts, hidden, "decoder")
    target = _side(fields, facts, hidden, "decoder")
    layers = sum(group.times for group in target.stack)
    model = EncoderDecoder(
        table=_tables(fields, vocab, hidden, decoder_only),
        source=None if decoder_only else _side(fields, facts, hidden, "encoder"),
        target=target,
        cross=cross,
        after=after,
        once=once,
        longest=fields.size("max_position_embeddings", default=facts.positions),
    )
    return cached_network(fields, model.run, cross, layers)


def _decoded_vocab(fields: Fields, vocab: int) -> int:
    """Rows of the decoder's table, which only Marian may keep apart."""
    shared = fields.flag("share_encoder_decoder_embeddings", default=True)
    apart = fields.text("model_type") in APART and not shared
    return (fields.size_or_none("decoder_vocab_size") or vocab) if apart else vocab


def _tables(fields: Fields, vocab: int, hidden: int, decoder_only: bool) -> int:
    """Parameters of the token tables; Marian may have two that differ."""
    apart = fields.text("model_type") in APART and not fields.flag(
        "share_encoder_decoder_embeddings", default=True
    )
    if not apart:
        spare = (fields.size_or_none("decoder_vocab_size") or vocab) - vocab
        tied = fields.flag("tie_word_embeddings", default=True)
        own = 0 if tied or decoder_only else spare * hidden
        return token_tables(vocab * hidden, fields, decoder_only) + own
    return (_decoded_vocab(fields, vocab) + vocab * (not decoder_only)) * hidden


def _attention(fields: Fields, facts: BartFacts, hidden: int, side: str) -> Attention:
    default = facts.heads[side == "decoder"]
    key = f"{side}_attention_heads"
    keys = (key,) if side == "decoder" else ("num_attention_heads", key)
    heads = fields.size(*keys, default=default)
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("d_model", hidden, key, heads),
        qkv_bias=True,
        output_bias=True,
    )


def _side(fields: Fields, facts: BartFacts, hidden: int, side: str) -> Side:
    """One side: positions, norms, layers."""
    decodes = side == "decoder"
    positions = fields.size("max_position_embeddings", default=facts.positions)
    rows = 0 if facts.spare_positions is None else positions + facts.spare_positions
    width = fields.size(f"{side}_ffn_dim", default=facts.ffn[decodes])
    attention = _attention(fields, facts, hidden, side)
    mlp = Mlp(hidden=hidden, width=width, bias=True)
    norms = held((3 if decodes else 2) * 2 * hidden)
    keys = (f"{side}_layers",) if decodes else ("num_hidden_layers", f"{side}_layers")
    return Side(
        before={
            "embedding/position": table(rows, hidden),
            "norm/outer": held((facts.embedding_norm + facts.final_norm) * 2 * hidden),
        },
        stack=(
            Group(
                costs={**attention.costs(), **mlp.costs(), "norm/layers": norms},
                times=fields.layers(*keys, default=facts.layers[decodes]),
            ),
        ),
    )


@family("fsmt")
def fsmt(fields: Fields) -> Network:
    """FSMT, the translators of WMT 2019: tables of two languages (arXiv:1907.06616)."""
    values = {
        "tie_word_embeddings": False,
        **fields.values,
        "vocab_size": fields.size("src_vocab_size", default=42024),
        "decoder_vocab_size": fields.size("tgt_vocab_size", default=42024),
        "share_encoder_decoder_embeddings": False,
    }
    return bart(BartFacts(embedding_norm=False), replace(fields, values=values))


@family("mvp")
def mvp(fields: Fields) -> Network:
    """MVP: BART, whose prompts are not counted (arXiv:2206.12131)."""
    note = ("the prompts are not counted",) * fields.flag("use_prompt")
    return bart(BartFacts(vocab=50267), replace(fields, notes=(*fields.notes, *note)))


families(
    bart,
    {
        "bart": BART,
        "mbart": MBART,
        "plbart": BartFacts(
            vocab=50005, hidden=768, layers=(6, 6), heads=(12, 12), ffn=(3072, 3072)
        ),
        "pegasus": PEGASUS,
        "marian": BartFacts(vocab=58101, spare_positions=0, embedding_norm=False),
        "blenderbot": BartFacts(
            vocab=8008,
            hidden=2560,
            layers=(2, 24),
            heads=(32, 32),
            ffn=(10240, 10240),
            positions=128,
            spare_positions=0,
            embedding_norm=False,
            final_norm=True,
        ),
        "blenderbot-small": BartFacts(
            hidden=512,
            layers=(8, 8),
            heads=(16, 16),
            ffn=(2048, 2048),
            positions=512,
            spare_positions=0,
        ),
        "m2m_100": BartFacts(
            vocab=128112, spare_positions=None, embedding_norm=False, final_norm=True
        ),
    },
)
