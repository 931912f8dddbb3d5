"""Layer stack equivalent to an encoder, for its activation memory.

BERT and ViT encoders keep per token what a decoder layer with LayerNorm and ungated MLP keeps: 16
values per unit of width with fused attention. Other networks are not covered: conv nets, windows
and diffusion models keep tensors that their ledgers do not list.
"""

from collections.abc import Mapping
from typing import Any

from estimator.networks.blocks import Mlp, equal_heads
from estimator.networks.convolution import rectangle, square
from estimator.networks.families.text_encoder import Sizes, bert_sizes
from estimator.networks.fields import Fields
from estimator.networks.model_class import task
from estimator.networks.registry import with_defaults_of
from estimator.networks.transformer import Decoder, Head, Layer

TEXT_ENCODERS = (
    *("bert", "roberta", "xlm-roberta", "camembert", "data2vec-text", "ernie"),
    *("megatron-bert", "mpnet", "roberta-prelayernorm", "electra", "distilbert", "esm", "layoutlm"),
)
IMAGE_ENCODERS: Mapping[str, int] = {"vit": 1, "deit": 2, "vit_msn": 1}
"""Tokens before the image patches, by family."""


def encoder_stack(config: Mapping[str, Any]) -> Decoder | None:
    """Return the layers of a BERT or ViT encoder, or None for any other network.

    Parameters
    ----------
    config : mapping
        A parsed `config.json`.

    Returns
    -------
    Decoder or None
        Layers, longest sequence and language head; without parameters.

    Raises
    ------
    ValueError
        If a size is out of bounds.

    >>> found = encoder_stack({"model_type": "bert"})
    >>> len(found.layers), found.max_positions
    (12, 512)
    """
    fields = Fields(config)
    kind = fields.text("model_type")
    if kind not in TEXT_ENCODERS and kind not in IMAGE_ENCODERS:
        return None
    fields = with_defaults_of(fields, kind)
    sizes = bert_sizes(fields)
    keys = ("hidden_size", "num_attention_heads")
    attention = equal_heads(fields, sizes.hidden, sizes.heads, keys, bias=False)
    mlp = Mlp(hidden=sizes.hidden, width=sizes.width)
    layer = Layer(attention=attention, feed_forward=mlp, norm_params=4 * sizes.hidden)
    worded = kind in TEXT_ENCODERS and task(fields) in ("MaskedLM", "CausalLM", "PreTraining")
    return Decoder(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        layers=(layer,) * sizes.layers,
        head=Head(outputs=sizes.vocab, tied=True) if worded and kind != "electra" else None,
        max_positions=_positions(fields, kind, sizes),
    )


def _positions(fields: Fields, kind: str, sizes: Sizes) -> int:
    """Return the maximum text length, or the number of image tokens."""
    if kind not in IMAGE_ENCODERS:
        return sizes.positions
    (high, wide), patch = rectangle(fields, "image_size", 224), square(fields, "patch_size", 16)
    return (high // patch) * (wide // patch) + IMAGE_ENCODERS[kind]
