"""How much work Grounding DINO and MM Grounding DINO are: objects that a text asks for.

A Swin and a BERT look at each other, then objects at both (arXiv:2303.05499, sec. 3). A pass holds
images of 640 pixels and as many texts of 256 tokens where neither is asked for; items are images.
"""

from estimator.workload.blocks import Cost, Costs, Mlp, affine, equal_heads, held, product
from estimator.workload.convolution import Flow, all_positions, image
from estimator.workload.families.backbones import backbone, leveled
from estimator.workload.families.clip import bert_tower
from estimator.workload.families.detr import decoded, dense, encoded, learned_places
from estimator.workload.families.text_encoder import bert_sizes, tables
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network, Pass, length_warning, network, prefixed, sequence
from estimator.workload.registry import families

SIDE = 640
"""Side of an image where none is asked for. [pixel]"""


def grounding_dino(biased: bool, fields: Fields) -> Network:
    """Grounding DINO; `biased` adds a number to the scores of words (arXiv:2401.02361)."""
    width, levels = fields.size("d_model", "hidden_size"), fields.size("num_feature_levels")
    objects, layers = fields.size("num_queries"), fields.layers("decoder_layers")
    maps, part = backbone(fields, (1, 2, 3)), fields.part("text_config")
    sizes, longest = bert_sizes(part), fields.size("max_text_len", default=256)
    text = bert_tower(part, tables(sizes, sizes.hidden))
    if not fields.flag("two_stage", default=True):
        raise ValueError(f"{fields.path}two_stage must be true: objects are picked from the maps")
    detects = task(fields) == "ObjectDetection"
    box, square = affine(width, width, width, 4), affine(width, width)
    own = [not fields.flag(f"decoder_{key}_embed_share", default=True) for key in ("bbox", "cls")]
    copies, scorers = (layers if one else 1 for one in own)
    score = {"head/words": Cost(flop_per_pair=2 * width)}
    asks = dense((fields.size("query_dim", default=4) // 2 * width, width, width)).repeated(layers)
    asks += Cost(flop_per_token=layers * detects * box.flop_per_token)  # refined in every layer
    boxes = {"head/boxes": product(copies * box.params, layers * box.flop_per_token)}
    learned = fields.flag("embedding_init_target", default=True)
    kept = (learned * objects + 4) * width + biased * (detects * scorers + 1)
    cross: Costs = {"text/query": square, "text/output": square, "norm/text": held(2 * width)}
    pick = {"pick/project": square, "pick/boxes": box, "pick/words": score["head/words"]}

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, SIDE)
        _, words = sequence(inputs, longest)
        flow = Flow(batch=batch, side=pixels, text=words)
        flow = flow.with_lines(prefixed(text.lines(batch, words, inputs), "text/"))
        flow = flow.layers({"text/project": affine(sizes.hidden, width)}, words)
        flow, sides = leveled(flow, maps, width, levels)
        seen = all_positions(sides)
        flow = _fused(fields, encoded(fields, flow, width, levels, seen), width, seen)
        flow = flow.layers(pick, seen, pairs=seen * words)
        flow = decoded(fields, flow, (width, levels, objects), seen, cross)
        read = {"text/key": square, "text/value": square}
        flow = flow.layers(read, words, times=layers, prefix="decoder/")
        pairs, scores = objects * words, {"text/scores": Cost(flop_per_pair=4 * width)}
        flow = flow.layers(scores, 0.0, pairs=pairs, times=layers, prefix="decoder/")
        flow = flow.layers(score, 0.0, pairs=pairs, times=layers * detects + 1)
        flow = flow.layers(boxes if detects else {}, float(objects))
        flow = flow.layers({"decoder/ask": asks}, float(objects), first=True)
        flow = flow.dense({"embedding/queries": held(kept), **learned_places(fields, width)})
        return Pass(lines=flow.lines, items=batch, warnings=length_warning(words, longest))

    notes = head_note(fields, detects or not task(fields))
    return network(fields, run, notes, item_unit="image")


def _fused(fields: Fields, flow: Flow, width: int, seen: Quantity) -> Flow:
    """In each layer of the encoder the text attends to itself, and maps and text to each other."""
    inner, layers = fields.size("encoder_ffn_dim") // 2, fields.layers("encoder_layers")
    heads = fields.size("encoder_attention_heads", least=2) // 2
    own = equal_heads(fields, width, heads, ("d_model", "encoder_attention_heads / 2")).costs()
    mlp = Mlp(width, inner, bias=True).costs()
    joined, back = affine(width, inner), affine(inner, width)
    fusion = {"fusion/in": joined.times(2), "fusion/out": back, "fusion/norm": held(3 * width)}
    of_text = {**own, **mlp, "norm/layers": held(4 * width), **fusion}
    words, name, pairs = flow.text, "encoder/text/", {"scores": Cost(flop_per_pair=6 * inner)}
    flow = flow.attending(of_text, words, times=layers, prefix=name)
    flow = flow.layers(fusion, seen, times=layers, prefix="encoder/")
    return flow.layers(pairs, 0.0, pairs=seen * words, times=layers, prefix="encoder/fusion/")


families(grounding_dino, {"grounding-dino": False, "mm-grounding-dino": True})
