"""How much work PVT is: attention to keys that a convolution has thinned out (arXiv:2102.12122)."""

from estimator.workload.blocks import Attention, Mlp, held, linear, table
from estimator.workload.convolution import Conv, Flow, image, sizes, square
from estimator.workload.families.poolformer import WIDTHS, classified, staged_network
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, lines
from estimator.workload.registry import family


@family("pvt")
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

            done = [
                *flow.lines,
                *lines(
                    {**rest, **mlp},
                    batch * tokens,
                    pairs=batch * tokens * keys,
                    times=depths[stage],
                    prefix=name,
                ),
            ]
            done += lines(read, batch * keys, times=depths[stage], prefix=name)
            norms = depths[stage] * (4 + 2 * (thin > 1)) * width + 2 * width
            rows = grid * grid + last
            tables = {
                "norm/layers": held(norms),
                "embedding/position": table(rows, width),
                "embedding/class": held(last * width),
            }
            flow = Flow(batch=batch, side=flow.side, lines=tuple(done)).dense(tables)
            before = width
        tokens = batch * (flow.positions + 1.0)
        flow = classified(fields, flow.norm(before), before)
        return Pass(lines=flow.lines, items=tokens)

    return staged_network(fields, run)
