"""Encoder-decoders like BART: mBART, Pegasus, Marian.

Also PLBART, Blenderbot, M2M 100, MVP, FSMT.
"""

from dataclasses import dataclass, replace

from estimator.networks.families.encoder_decoder import (
    EncoderDecoder,
    encoder_decoder,
    head,
    side,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import task, tied_as_stated
from estimator.networks.network import Network
from estimator.networks.registry import families, family


@dataclass(frozen=True, kw_only=True)
class BartFacts:
    """Differences between families of encoder-decoders like BART.

    Parameters
    ----------
    spare_positions : int or None
        Rows of the position table beyond the positions; None without parameters. [1]
    embedding_norm, final_norm : bool
        Whether there is a norm after the tables, and after the last layer.
    """

    spare_positions: int | None = 2
    embedding_norm: bool = True
    final_norm: bool = False


def bart(facts: BartFacts, fields: Fields) -> Network:
    """Build BART: learned positions, biases everywhere, one token table."""
    positions = fields.size("max_position_embeddings")
    rows = 0 if facts.spare_positions is None else positions + facts.spare_positions
    norms = facts.embedding_norm + facts.final_norm
    writes = task(fields) == "CausalLM"
    source = None if writes else side(fields, "encoder", rows, norms=norms)
    target = side(fields, "decoder", rows, norms=norms)
    model = encoder_decoder(fields, source, target, positions)
    return _with_decoded_words(fields, model, target.attention.hidden).network(fields)


def _with_decoded_words(fields: Fields, model: EncoderDecoder, hidden: int) -> EncoderDecoder:
    """Build the model with a separate output vocabulary; Marian and FSMT may share nothing."""
    vocab, reads = fields.size("vocab_size"), model.source is not None
    written = fields.size_or_none("decoder_vocab_size") or vocab
    shared = fields.flag("share_encoder_decoder_embeddings", default=True)
    if fields.text("model_type") in ("marian", "fsmt") and not shared:
        rows = written + vocab * reads
        return replace(model, table=rows * hidden, heads=head(fields, hidden, written))
    own = reads and not tied_as_stated(fields)
    return replace(model, table=model.table + own * (written - vocab) * hidden)


@family("fsmt")
def fsmt(fields: Fields) -> Network:
    """Build FSMT, the translators of WMT 2019: tables of two languages (arXiv:1907.06616)."""
    tied = fields.flag("tie_word_embeddings")
    written = fields.size("tgt_vocab_size")
    tables = {
        "vocab_size": written if tied else fields.size("src_vocab_size"),
        "decoder_vocab_size": written,
        "share_encoder_decoder_embeddings": tied,
    }
    return bart(BartFacts(embedding_norm=False), fields.with_values(tables))


@family("mvp")
def mvp(fields: Fields) -> Network:
    """Build MVP: BART, whose prompts are not counted (arXiv:2206.12131)."""
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
