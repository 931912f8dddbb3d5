"""How much work PoolFormer is: averages where others attend (arXiv:2111.11418, sec. 3)."""

from collections.abc import Callable

from estimator.workload.blocks import Mlp, held, linear
from estimator.workload.convolution import Conv, Flow, image, ratio, sizes
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family

WIDTHS = (64, 128, 320, 512)


def staged_network(fields: Fields, run: Callable[[Inputs], Pass]) -> Network:
    """The network under its name."""
    known = task(fields) in ("", "ImageClassification")
    note = head_note(fields, known)
    return network(fields, run, note)


def classified(fields: Fields, flow: Flow, width: int) -> Flow:
    """With the classifier of the class, if it is one."""
    if task(fields) != "ImageClassification":
        return flow
    return flow.dense({"head/classifier": linear(width, label_count(fields), bias=True)})


@family("poolformer")
def poolformer(fields: Fields) -> Network:
    """PoolFormer: averages where others attend (arXiv:2111.11418, sec. 3)."""
    widths = sizes(fields, "hidden_sizes", WIDTHS)
    stages = len(widths)
    depths = sizes(fields, "depths", (2, 2, 6, 2), stages)
    kernels = sizes(fields, "patch_sizes", (7, 3, 3, 3), stages)
    strides = sizes(fields, "strides", (4, 2, 2, 2), stages)
    paddings = sizes(fields, "padding", (2, 1, 1, 1), stages)
    factor = ratio(fields, "mlp_ratio", 4)
    scaled = fields.flag("use_layer_scale", default=True)

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, 224)
        flow, before = Flow(batch=batch, side=side), fields.size("num_channels", default=3)
        for stage, width in enumerate(widths):
            patch = Conv(
                inputs=before,
                outputs=width,
                kernel=kernels[stage],
                stride=strides[stage],
                padding=paddings[stage],
                bias=True,
                norm=False,
            )
            flow = flow.conv(f"stage{stage + 1}/patch", patch, first=stage == 0)
            mlp = Mlp(hidden=width, width=int(width * factor), bias=True).costs()
            costs = {f"stage{stage + 1}/{part}": cost for part, cost in mlp.items()}
            norms = depths[stage] * (4 + 2 * scaled) * width

            flow = Flow(
                batch=batch,
                side=flow.side,
                lines=(*flow.lines, *lines(costs, batch * flow.positions, times=depths[stage])),
            )
            flow = flow.dense({"norm/layers": held(norms)})
            before = width
        tokens = batch * flow.positions
        if task(fields):
            flow = flow.norm(before)
        return Pass(lines=classified(fields, flow, before).lines, items=tokens)

    return staged_network(fields, run)
