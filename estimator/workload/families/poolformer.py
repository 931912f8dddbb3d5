"""How much work PoolFormer is: averages where others attend (arXiv:2111.11418, sec. 3)."""

from dataclasses import replace

from estimator.workload.blocks import Mlp, held
from estimator.workload.convolution import Conv, Flow, image, ratio, sizes
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import classifier, head_note, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@family("poolformer")
def poolformer(fields: Fields) -> Network:
    """PoolFormer: an MLP on every position, patches that halve the map."""
    widths = sizes(fields, "hidden_sizes", (64, 128, 320, 512))
    stages = len(widths)
    depths = sizes(fields, "depths", (2, 2, 6, 2), stages)
    kernels = sizes(fields, "patch_sizes", (7, 3, 3, 3), stages)
    strides = sizes(fields, "strides", (4, 2, 2, 2), stages)
    paddings = sizes(fields, "padding", (2, 1, 1, 1), stages)
    factor = ratio(fields, "mlp_ratio", 4)
    scaled = fields.flag("use_layer_scale", default=True)
    once = classifier(fields, widths[-1])

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
            name, times = f"stage{stage + 1}/", depths[stage]
            flow = flow.conv(f"{name}patch", patch, first=stage == 0)
            mlp = Mlp(hidden=width, width=int(width * factor), bias=True).costs()
            done = lines(mlp, batch * flow.positions, times=times, prefix=name)
            norms = held(times * (4 + 2 * scaled) * width)
            flow = replace(flow, lines=(*flow.lines, *done)).dense({"norm/layers": norms})
            before = width
        if task(fields):
            flow = flow.norm(before)
        return Pass(lines=flow.dense(once).lines, items=batch * flow.positions)

    return network(fields, run, head_note(fields, not task(fields) or once))
