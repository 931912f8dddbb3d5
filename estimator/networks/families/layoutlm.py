"""Which text encoder that sees the layout of a page a config describes: LayoutLM, LiLT.

Also LayoutLMv3, MarkupLM, TAPAS, BROS.
"""

from dataclasses import replace

from estimator.networks.blocks import Costs, affine, held, linear, scaled
from estimator.networks.convolution import square
from estimator.networks.families.text_encoder import (
    BERT_POOLED,
    CLASSIFIERS,
    EVERY_TASK,
    LAYER_NORM,
    Sizes,
    TextFacts,
    block,
    encoder_of,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.model_class import class_name, head_note, label_count, label_head, task
from estimator.networks.network import Network, Pass, length_warning, lines, network, sequence
from estimator.networks.registry import families, family


def layout_tables(fields: Fields, sizes: Sizes) -> Costs:
    """LayoutLM: tables of left, top, height and width of the boxes (arXiv:1912.13318)."""
    rows = fields.size("max_2d_position_embeddings", default=1024)
    return {"embedding/layout": held(4 * rows * sizes.hidden)}


def markup_tables(fields: Fields, sizes: Sizes) -> Costs:
    """MarkupLM: paths of tags and subscripts, level by level (arXiv:2110.08518, sec. 2.1)."""
    depth = fields.size("max_depth", default=50)
    unit = fields.size("xpath_unit_hidden_size", default=32)
    tags = fields.size("max_xpath_tag_unit_embeddings", default=256)
    places = fields.size("max_xpath_subs_unit_embeddings", default=1024)
    return {
        "embedding/paths": held(depth * unit * (tags + places)),
        "path/in": affine(depth * unit, 4 * sizes.hidden),
        "path/out": affine(4 * sizes.hidden, sizes.hidden),
        "path/unused": held((depth * unit + 1) * sizes.hidden),
    }


def cell_tables(fields: Fields, sizes: Sizes) -> Costs:
    """TAPAS: seven tables of rows, columns and ranks (arXiv:2004.02349, sec. 2)."""
    rows = fields.sizes("type_vocab_sizes", (3, 256, 256, 2, 256, 256, 10))
    answers = task(fields) == "QuestionAnswering"
    kinds = fields.size("num_aggregation_labels", default=0, least=0) * answers
    return {
        "embedding/cells": held(sum(rows) * sizes.hidden),
        "head/aggregation": held(kinds * (sizes.hidden + 1)),
    }


def lilt_tables(fields: Fields, sizes: Sizes) -> Costs:
    """LiLT: boxes through one matrix into the narrow stream."""
    hidden = sizes.hidden
    narrow = hidden // fields.size("channel_shrink_ratio", default=4)
    boxes = fields.size("max_2d_position_embeddings", default=1024)
    return {
        "embedding/layout": held(4 * boxes * (hidden // 6)),
        "embedding/box": held(sizes.positions * narrow),
        "layout/project_in": affine(hidden // 6 * 6, narrow),
        "norm/layout": held(LAYER_NORM * narrow),
    }


def lilt_layer(fields: Fields, sizes: Sizes) -> Costs:
    """LiLT: a text stream and a narrow layout stream that share scores (arXiv:2202.13669)."""
    shrink = fields.size("channel_shrink_ratio", default=4)
    narrow = replace(sizes, hidden=sizes.hidden // shrink, width=sizes.width // shrink)
    return {**block(fields, sizes), **scaled(block(Fields({}), narrow), 1, "layout/")}


families(
    text_encoder,
    {
        "layoutlm": TextFacts(pooled=EVERY_TASK, extra=layout_tables),
        "lilt": TextFacts(
            pooled=("", "MultipleChoice"),
            dense_before=CLASSIFIERS,
            layer=lilt_layer,
            extra=lilt_tables,
        ),
        "markuplm": TextFacts(pooled=("", "SequenceClassification"), extra=markup_tables),
        "tapas": TextFacts(
            has_types=False,
            pooled=("QuestionAnswering", "SequenceClassification", *BERT_POOLED),
            extra=cell_tables,
        ),
    },
)


@family("bros")
def bros(fields: Fields) -> Network:
    """BROS: BERT that sees boxes (arXiv:2108.04539); the graph heads are not counted."""
    note = head_note(fields, "Spade" not in class_name(fields))
    facts = TextFacts(pooled=("", "TokenClassification"), extra=_boxes)
    return text_encoder(facts, fields.noted(*note))


def _boxes(fields: Fields, sizes: Sizes) -> Costs:
    """Sines of the boxes through one matrix."""
    return {"embedding/box": linear(sizes.hidden // 4, sizes.hidden // sizes.heads)}


def page_tables(fields: Fields, sizes: Sizes) -> Costs:
    """LayoutLMv3: sides and shapes of boxes, patches of the page, biases by distance."""
    hidden, heads = sizes.hidden, sizes.heads
    rows = fields.size("max_2d_position_embeddings", default=1024)
    sides = fields.size("coordinate_size", default=128) + fields.size("shape_size", default=128)
    far = fields.size("rel_pos_bins") * fields.flag("has_relative_attention_bias")
    wide = 2 * fields.size("rel_2d_pos_bins") * fields.flag("has_spatial_attention_bias")
    return {
        "embedding/layout": held(2 * rows * sides),
        "embedding/patch_position": held((_patches(fields) + 2) * hidden),
        "attention/relative_bias": held((far + wide) * heads),
        "norm/page": held(2 * LAYER_NORM * hidden),
    }


def page_labels(fields: Fields, sizes: Sizes) -> Costs:
    """LayoutLMv3: a dense layer before spans and before many labels."""
    deep = task(fields) == "QuestionAnswering" or label_count(fields) >= 10
    dense: Costs = {"head/dense": affine(sizes.hidden, sizes.hidden)} if deep else {}
    return {**dense, "head/classifier": label_head(fields, sizes.hidden)}


def _patches(fields: Fields) -> int:
    """Patches of a page."""
    side = square(fields, "input_size", 224) // square(fields, "patch_size", 16)
    return side * side


@family("layoutlmv3")
def layoutlmv3(fields: Fields) -> Network:
    """LayoutLMv3: words and patches of the page in one attention (arXiv:2204.08387, sec. 2)."""
    fields.counted("visual_embed", True)
    facts = TextFacts(
        spare_positions=2,
        extra=page_tables,
        pooled=(),
        dense_before=("SequenceClassification",),
        own_heads={"TokenClassification": page_labels, "QuestionAnswering": page_labels},
    )
    notes = head_note(fields, task(fields) in ("", "SequenceClassification", *facts.own_heads))
    encoder = encoder_of(facts, fields.with_values({"architectures": []}) if notes else fields)
    patch, seen = square(fields, "patch_size", 16), float(_patches(fields))
    pixels = patch * patch * fields.size("num_channels", default=3)
    hidden = fields.size("hidden_size", default=768)
    conv = {"embedding/patch": affine(pixels, hidden)}
    trunk = replace(encoder, after={})

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, encoder.longest)
        done = [*lines(conv, batch * seen, first=True)]
        done += trunk.lines(batch, seq_len + seen + 1.0, inputs)
        done += lines(encoder.after, batch * seq_len)
        warned = length_warning(seq_len, encoder.longest)
        return Pass(lines=done, items=batch * seq_len, warnings=warned)

    return network(fields, run, notes)
