"""Which vision model of shrinking stages without windows a config describes: PoolFormer, PVT.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping

from estimator.workload.blocks import Attention, Mlp, held, linear
from estimator.workload.convolution import Conv, Flow, image, ratio, sizes, square
from estimator.workload.families.encoder import task
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, Reach, lines

WIDTHS = (64, 128, 320, 512)


def _network(fields: Fields, run: Callable[[Inputs], Pass]) -> Network:
    known = task(fields) in ("", "ImageClassification")
    note = () if known else (f"the head of {class_name(fields)} is not counted",)
    return Network(
        run=run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + note,
    )


def _classified(fields: Fields, flow: Flow, width: int) -> Flow:
    """With the classifier of the class, if it is one."""
    if task(fields) != "ImageClassification":
        return flow
    return flow.dense({"head/classifier": linear(width, label_count(fields), bias=True)})


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
            reach = Reach(tokens=batch * flow.positions, times=depths[stage])
            flow = Flow(batch=batch, side=flow.side, lines=(*flow.lines, *lines(costs, reach)))
            flow = flow.dense({"norm/layers": held(norms)})
            before = width
        tokens = batch * flow.positions
        if task(fields):
            flow = flow.norm(before)
        return Pass(lines=_classified(fields, flow, before).lines, tokens=tokens)

    return _network(fields, run)


def pvt(fields: Fields) -> Network:
    """PVT: attention to keys that a convolution has thinned out (arXiv:2102.12122, sec. 3)."""
    widths = sizes(fields, "hidden_sizes", WIDTHS)
    stages = len(widths)
    depths = sizes(fields, "depths", (2, 2, 2, 2), stages)
    heads = sizes(fields, "num_attention_heads", (1, 2, 5, 8), stages)
    thins = sizes(fields, "sequence_reduction_ratios", (8, 4, 2, 1), stages)
    kernels = sizes(fields, "patch_sizes", (4, 2, 2, 2), stages)
    strides = sizes(fields, "strides", (4, 2, 2, 2), stages)
    factors = sizes(fields, "mlp_ratios", (8, 8, 4, 4), stages)
    usual = square(fields, "image_size", 224)
    bias = fields.flag("qkv_bias", default=True)

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow, before, grid = Flow(batch=batch, side=side), 3, usual
        before = fields.size("num_channels", default=3)
        for stage, width in enumerate(widths):
            last = stage == stages - 1
            patch = Conv(
                inputs=before,
                outputs=width,
                kernel=kernels[stage],
                stride=strides[stage],
                padding=0,
                bias=True,
                norm=False,
            )
            name = f"stage{stage + 1}/"
            flow = flow.conv(name + "patch", patch, first=stage == 0)
            grid //= strides[stage]
            thin = thins[stage]
            attention = Attention(
                hidden=width,
                heads=heads[stage],
                kv_heads=heads[stage],
                head_dim=fields.share("hidden_sizes", width, "num_attention_heads", heads[stage]),
                qkv_bias=bias,
                output_bias=True,
            ).costs()
            mlp = Mlp(hidden=width, width=factors[stage] * width, bias=True).costs()
            tokens = flow.positions + last
            keys = (flow.side // thin) ** 2 if thin > 1 else tokens
            read = {part: attention[part] for part in ("attention/key", "attention/value")}
            if thin > 1:
                read["attention/thin"] = linear(thin * thin * width, width, bias=True)
            rest = {part: cost for part, cost in attention.items() if part not in read}
            every = Reach(tokens=batch * tokens, pairs=batch * tokens * keys, times=depths[stage])
            done = [*flow.lines, *lines({**rest, **mlp}, every, name)]
            done += lines(read, Reach(tokens=batch * keys, times=depths[stage]), name)
            norms = depths[stage] * (4 + 2 * (thin > 1)) * width + 2 * width
            rows = grid * grid + last
            tables = {
                "norm/layers": held(norms),
                "embedding/position": held(rows * width),
                "embedding/class": held(last * width),
            }
            flow = Flow(batch=batch, side=flow.side, lines=tuple(done)).dense(tables)
            before = width
        tokens = batch * (flow.positions + 1.0)
        flow = _classified(fields, flow.norm(before), before)
        return Pass(lines=flow.lines, tokens=tokens)

    return _network(fields, run)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {"poolformer": poolformer, "pvt": pvt}
