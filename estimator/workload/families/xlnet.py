"""How much work XLNet is: scores of content and of relative positions (arXiv:1906.08237)."""

from estimator.workload.blocks import Cost, Costs, affine, held, linear, table
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.model_class import classifier, head_note, label_head, task, word_head
from estimator.workload.network import Network, network, without_input_gradient
from estimator.workload.registry import family


@family("xlnet")
def xlnet(fields: Fields) -> Network:
    """XLNet; the sines behind the relative positions need no gradient (sec. 2.4)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    count = fields.size("num_attention_heads", "n_head", default=16)
    fields.share("d_model", hidden, "n_head", count)
    vocab = fields.size("vocab_size", default=32000)
    width = fields.size("d_inner", default=4096)
    layers = fields.layers("num_hidden_layers", "n_layer", default=24)
    project = linear(hidden, hidden)
    layer: Costs = {
        **{f"attention/{part}": project for part in ("query", "key", "value", "output")},
        "attention/relative": project + Cost(flop_per_token=project.flop_per_token),
        "attention/biases": held(5 * hidden),
        "attention/scores": Cost(flop_per_pair=6 * hidden),
        "attention/reduce": Cost(flop_per_pair=2 * hidden),
        "mlp/up": affine(hidden, width),
        "mlp/down": affine(width, hidden),
        "norm/layers": held(4 * hidden),
    }
    kind = task(fields)
    after, once = dict(classifier(fields, hidden, "TokenClassification")), {}
    if kind == "CausalLM":
        after["head/logits"] = word_head(fields, hidden, vocab, biases=1)
    elif kind == "SequenceClassification":
        once["head/dense"] = affine(hidden, hidden)
        once["head/classifier"] = label_head(fields, hidden)
    encoder = Stack(
        before={"embedding/token": table(vocab, hidden), "embedding/mask": held(hidden)},
        stack=(Layers(costs=layer, times=layers),),
        after=after,
        once=once,
        longest=10**9,
    )
    notes = head_note(fields, not kind or after or once)
    return network(fields, without_input_gradient(encoder.run, "attention/relative"), notes)
