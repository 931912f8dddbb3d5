"""Which encoder-decoder of BART's line a config describes: mBART, Pegasus, Marian, M2M, FSMT."""

from dataclasses import dataclass, replace

from estimator.workload.blocks import held, table
from estimator.workload.families.encoder_decoder import (
    EncoderDecoder,
    Side,
    head,
    side,
    token_tables,
)
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import families, family


@dataclass(frozen=True, kw_only=True)
class BartFacts:
    """What sets one family of BART's line apart.

    Parameters
    ----------
    spare_positions : int or None
        Rows of the position table beyond the positions; None without parameters. [1]
    embedding_norm, final_norm : bool
        A norm after the tables; after the last layer.
    """

    spare_positions: int | None = 2
    embedding_norm: bool = True
    final_norm: bool = False


def bart(facts: BartFacts, fields: Fields) -> Network:
    """BART: learned positions, biases everywhere, one token table."""
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    positions = fields.size("max_position_embeddings")
    rows = 0 if facts.spare_positions is None else positions + facts.spare_positions
    norms = (facts.embedding_norm + facts.final_norm) * 2 * hidden
    before = {"embedding/position": table(rows, hidden), "norm/outer": held(norms)}
    decoder_only = task(fields) == "CausalLM"
    source: Side | None = None
    if not decoder_only:
        source = side(fields, hidden, "encoder", before)
    tied = fields.flag("tie_word_embeddings", default=True)
    model = EncoderDecoder(
        table=_tables(fields, vocab, hidden, decoder_only),
        source=source,
        target=side(fields, hidden, "decoder", before),
        heads=head(fields, hidden, _decoded_vocab(fields, vocab), tied),
        longest=positions,
    )
    return model.network(fields)


def _apart(fields: Fields) -> bool:
    """Whether the sides have tables of their own, as only Marian and FSMT may."""
    shared = fields.flag("share_encoder_decoder_embeddings", default=True)
    return fields.text("model_type") in ("marian", "fsmt") and not shared


def _decoded_vocab(fields: Fields, vocab: int) -> int:
    """Rows of the decoder's table."""
    return (fields.size_or_none("decoder_vocab_size") or vocab) if _apart(fields) else vocab


def _tables(fields: Fields, vocab: int, hidden: int, decoder_only: bool) -> int:
    """Parameters of the token tables; Marian may have two that differ."""
    if _apart(fields):
        return (_decoded_vocab(fields, vocab) + vocab * (not decoder_only)) * hidden
    spare = (fields.size_or_none("decoder_vocab_size") or vocab) - vocab
    tied = fields.flag("tie_word_embeddings", default=True)
    own = 0 if tied or decoder_only else spare * hidden
    return token_tables(vocab * hidden, fields, decoder_only) + own


@family("fsmt")
def fsmt(fields: Fields) -> Network:
    """FSMT, the translators of WMT 2019: tables of two languages (arXiv:1907.06616)."""
    tied = fields.flag("tie_word_embeddings")
    written = fields.size("tgt_vocab_size")
    tables = {
        "vocab_size": written if tied else fields.size("src_vocab_size"),
        "decoder_vocab_size": written,
        "share_encoder_decoder_embeddings": tied,
    }
    usual = fields.with_defaults({"tie_word_embeddings": False})
    return bart(BartFacts(embedding_norm=False), usual.with_values(tables))


@family("mvp")
def mvp(fields: Fields) -> Network:
    """MVP: BART, whose prompts are not counted (arXiv:2206.12131)."""
    note = ("the prompts are not counted",) * fields.flag("use_prompt")
    return bart(BartFacts(), fields.noted(*note))


BARE = BartFacts(spare_positions=0, embedding_norm=False)

families(
    bart,
    {
        "bart": BartFacts(),
        "mbart": BartFacts(final_norm=True),
        "plbart": BartFacts(),
        "pegasus": replace(BARE, final_norm=True),
        "marian": BARE,
        "blenderbot": replace(BARE, final_norm=True),
        "blenderbot-small": BartFacts(spare_positions=0),
        "m2m_100": BartFacts(spare_positions=None, embedding_norm=False, final_norm=True),
    },
)
