"""How much work PoolFormer is: averages where others attend (arXiv:2111.11418, sec. 3)."""

from estimator.workload.blocks import Mlp, held
from estimator.workload.convolution import Flow, plain, ratio, stages
from estimator.workload.families.convnet import DEFAULT_SIDE, conv_net
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family

STAGES = ("hidden_sizes", "depths", "patch_sizes", "strides", "padding")


@family("poolformer")
def poolformer(fields: Fields) -> Network:
    """PoolFormer: an MLP on every position, patches that halve the map."""
    rows = stages(fields, STAGES)
    factor = ratio(fields, "mlp_ratio", 4)
    norms = 4 + 2 * fields.flag("use_layer_scale", default=True)

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for stage, (width, depth, kernel, stride, padding) in enumerate(rows):
            name, patch = f"stage{stage + 1}/", plain(before, width, kernel, stride, padding)
            flow = flow.conv(f"{name}patch", patch, first=stage == 0)
            mlp = Mlp(hidden=width, width=int(width * factor), bias=True).costs()
            flow = flow.layers(mlp, times=depth, prefix=name)
            flow, before = flow.dense({"norm/layers": held(depth * norms * width)}), width
        return flow.norm(before) if task(fields) else flow

    return conv_net(fields, body, rows[-1][0], DEFAULT_SIDE, class_tokens=0)
