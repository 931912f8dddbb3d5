"""How much work PVT is: attention to keys that a convolution has thinned out (arXiv:2102.12122)."""

from dataclasses import replace

from estimator.workload.blocks import Mlp, equal_heads, held, linear, table
from estimator.workload.convolution import Conv, Flow, image, sizes, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import classifier, head_note, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@family("pvt")
def pvt(fields: Fields) -> Network:
    """PVT: positions in every stage, a class token in the last (sec. 3)."""
    widths = sizes(fields, "hidden_sizes", (64, 128, 320, 512))
    stages = len(widths)
    depths = sizes(fields, "depths", (2, 2, 2, 2), stages)
    heads = sizes(fields, "num_attention_heads", (1, 2, 5, 8), stages)
    thins = sizes(fields, "sequence_reduction_ratios", (8, 4, 2, 1), stages)
    kernels = sizes(fields, "patch_sizes", (4, 2, 2, 2), stages)
    strides = sizes(fields, "strides", (4, 2, 2, 2), stages)
    factors = sizes(fields, "mlp_ratios", (8, 8, 4, 4), stages)
    usual = square(fields, "image_size", 224)
    keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)
    once = classifier(fields, widths[-1])

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow, grid = Flow(batch=batch, side=side), usual
        before = fields.size("num_channels", default=3)
        for stage, width in enumerate(widths):
            last, thin, times = stage == stages - 1, thins[stage], depths[stage]
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
            attention = equal_heads(fields, width, heads[stage], keys, bias, output_bias=True)
            rest = dict(attention.costs())
            read = {part: rest.pop(part) for part in ("attention/key", "attention/value")}
            if thin > 1:
                read["attention/thin"] = linear(thin * thin * width, width, bias=True)
            rest |= Mlp(hidden=width, width=factors[stage] * width, bias=True).costs()
            tokens = flow.positions + last
            seen = (flow.side // thin) ** 2 if thin > 1 else tokens
            pairs = batch * tokens * seen
            done = [*lines(rest, batch * tokens, pairs=pairs, times=times, prefix=name)]
            done += lines(read, batch * seen, times=times, prefix=name)
            tables = {
                "norm/layers": held(times * (4 + 2 * (thin > 1)) * width + 2 * width),
                "embedding/position": table(grid * grid + last, width),
                "embedding/class": held(last * width),
            }
            flow = replace(flow, lines=(*flow.lines, *done)).dense(tables)
            before = width
        tokens = batch * (flow.positions + 1.0)
        return Pass(lines=flow.norm(before).dense(once).lines, items=tokens)

    return network(fields, run, head_note(fields, not task(fields) or once))
