"""Networks that the other sets lack: fields, clouds, graphs, flows, volumes, losses of derivatives.

They were written, and sized by their FLOPs, before any of them was timed.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.training.programs import Program, of_rows

Step = Callable[[], float]


def programs() -> list[Program]:
    """All of them, as `python -m tests.benchmarks.calibration measure --programs` asks."""
    rows = (
        ("rain radar", "vision", "ConvLSTM", "fp32", rain_radar),
        ("point clouds", "vision", "MLP", "fp32", point_clouds),
        ("molecules", "other", "graph network", "fp32", molecules),
        ("spoken digits", "speech", "encoder", "fp32", spoken_digits),
        ("load of a power grid", "other", "MLP", "fp32", power_grid),
        ("two towers", "other", "MLP", "fp32", two_towers),
        ("patches hidden", "vision", "ViT", "fp32", hidden_patches),
        ("flow of couplings", "other", "MLP", "fp32", couplings),
        ("heat equation", "other", "MLP", "fp32", heat_equation),
        ("voxels", "vision", "CNN", "fp32", voxels),
        ("dates in words", "language", "encoder-decoder transformer", "bf16", dates_in_words),
        ("sentence pairs", "language", "encoder", "fp32", sentence_pairs),
        ("squeezed pictures", "vision", "EfficientNet", "fp32", squeezed_pictures),
        ("reviews of any length", "language", "GRU", "fp32", reviews),
        ("sharper pictures", "vision", "CNN", "bf16", sharper_pictures),
        ("chess moves", "other", "ResNet", "fp32", chess_moves),
    )
    return of_rows(rows)


def stepping(model: nn.Module, loss: Callable[[], torch.Tensor], **options: Any) -> Step:
    """Step of a plain loop with Adam; `options` are those of the optimizer."""
    optimizer = torch.optim.Adam(model.parameters(), **{"lr": 1e-3, **options})

    def step() -> float:
        optimizer.zero_grad()
        error = loss()
        error.backward()
        optimizer.step()
        return float(error.detach())

    return step


class FieldCell(nn.Module):
    """Gates of a memory of fields, one convolution for all four."""

    def __init__(self, given: int, kept: int) -> None:
        super().__init__()
        self.kept, self.gates = kept, nn.Conv2d(given + kept, 4 * kept, 5, padding=2)

    def forward(self, seen: torch.Tensor, state: Any) -> Any:
        shown, memory = state
        forget, write, show, new = self.gates(torch.cat((seen, shown), 1)).chunk(4, 1)
        memory = memory * torch.sigmoid(forget + 1.0) + torch.sigmoid(write) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(memory), memory


def rain_radar() -> Step:
    """The next fields of a radar from the last ones, step by step."""
    cell, head, edge, batch = FieldCell(1, 24), nn.Conv2d(24, 1, 1), 24, 4
    model = nn.ModuleList((cell, head))
    seen = torch.rand(9, batch, 1, edge, edge)

    def loss() -> torch.Tensor:
        state = (torch.zeros(batch, 24, edge, edge),) * 2
        errors = []
        for now, then in pairwise(seen):
            state = cell(now, state)
            errors.append((head(state[0]) - then).abs().mean())
        return torch.stack(errors).mean()

    return stepping(model, loss)


def point_clouds() -> Step:
    """One network for each point, then the largest of all; clouds are turned and shaken."""
    each = nn.Sequential(
        *(nn.Conv1d(3, 64, 1), nn.BatchNorm1d(64), nn.ReLU()),
        *(nn.Conv1d(64, 128, 1), nn.BatchNorm1d(128), nn.ReLU(), nn.Conv1d(128, 512, 1)),
    )
    whole = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.4), nn.Linear(256, 12))
    clouds, wanted = torch.randn(16, 3, 512), torch.randint(12, (16,))

    def loss() -> torch.Tensor:
        angle = 6.28 * torch.rand(16)
        zero, one = torch.zeros(16), torch.ones(16)
        rows = (angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero, zero, zero, one)
        turned = torch.stack(rows, 1).view(16, 3, 3) @ clouds + 0.01 * torch.randn_like(clouds)
        return F.cross_entropy(whole(each(turned).amax(2)), wanted)

    return stepping(nn.ModuleList((each, whole)), loss)


class Messages(nn.Module):
    """Each atom sums the messages of its neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Sequential(
            nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.update = nn.GRUCell(width, width)

    def forward(self, atoms: torch.Tensor, bonds: torch.Tensor) -> torch.Tensor:
        source, target = bonds
        messages = self.message(torch.cat((atoms[source], atoms[target]), 1))
        return self.update(torch.zeros_like(atoms).index_add(0, target, messages), atoms)


def molecules() -> Step:
    """Energies of molecules of some twenty atoms, many at once."""
    width, count = 96, 64
    kinds, layers = nn.Embedding(10, width), nn.ModuleList(Messages(width) for _ in range(3))
    head = nn.Linear(width, 1)
    molecule = torch.arange(count).repeat_interleave(20)
    atoms, wanted = torch.randint(10, (20 * count,)), torch.randn(count)
    bonds = torch.randint(20, (2, 60 * count)) + 20 * torch.arange(count).repeat_interleave(60)

    def loss() -> torch.Tensor:
        x = kinds(atoms)
        for layer in layers:
            x = layer(x, bonds)
        return F.l1_loss(torch.zeros(count).index_add(0, molecule, head(x)[:, 0]), wanted)

    return stepping(nn.ModuleList((kinds, layers, head)), loss)


def spoken_digits() -> Step:
    """Spectrograms with stripes masked, thinned by strides, read by an encoder, aligned by CTC."""
    front = nn.Sequential(nn.Conv1d(64, 144, 5, 2, 2), nn.GELU(), nn.Conv1d(144, 144, 5, 2, 2))
    layer = nn.TransformerEncoderLayer(144, 4, 432, 0.1, batch_first=True, norm_first=True)
    body, head = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), nn.Linear(144, 30)
    sound, said = torch.randn(8, 64, 400), torch.randint(1, 30, (8, 24))
    lengths, letters = torch.full((8,), 100), torch.full((8,), 24)

    def loss() -> torch.Tensor:
        masked = sound.clone()
        for one in masked:
            low, start = int(torch.randint(54, ())), int(torch.randint(360, ()))
            one[low : low + 10], one[:, start : start + 40] = 0.0, 0.0
        found = head(body(front(masked).transpose(1, 2))).log_softmax(2).transpose(0, 1)
        return F.ctc_loss(found, said, lengths, letters)

    return stepping(nn.ModuleList((front, body, head)), loss)


class Mixed(nn.Module):
    """Mixes hours, then meters, each by a small perceptron around which the values pass."""

    def __init__(self, hours: int, meters: int, inner: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList((nn.LayerNorm(meters), nn.LayerNorm(meters)))
        self.hours = nn.Sequential(nn.Linear(hours, inner), nn.ReLU(), nn.Linear(inner, hours))
        self.meters = nn.Sequential(nn.Linear(meters, inner), nn.ReLU(), nn.Linear(inner, meters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.hours(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.meters(self.norms[1](x))


def power_grid() -> Step:
    """The next day of many meters from the week before."""
    body = nn.Sequential(*(Mixed(168, 48, 256) for _ in range(4)))
    head = nn.Linear(168, 24)
    week, day = torch.randn(32, 168, 48), torch.randn(32, 24, 48)

    def loss() -> torch.Tensor:
        level, spread = week.mean(1, keepdim=True), week.std(1, keepdim=True) + 1e-5
        ahead = head(body((week - level) / spread).transpose(1, 2)).transpose(1, 2)
        return F.huber_loss(ahead * spread + level, day)

    return stepping(nn.ModuleList((body, head)), loss, weight_decay=1e-4)


class Tower(nn.Module):
    """One side of a match: several fields looked up, beside numbers, brought to unit length."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 48) for size in sizes)
        inner = 48 * len(sizes) + 16
        self.body = nn.Sequential(
            nn.Linear(inner, 768), nn.ReLU(), nn.Linear(768, 384), nn.ReLU(), nn.Linear(384, 96)
        )

    def forward(self, fields: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        looked = [table(field) for table, field in zip(self.tables, fields.T, strict=True)]
        return F.normalize(self.body(torch.cat((*looked, numbers), 1)), dim=1)


def two_towers() -> Step:
    """Readers and articles: each reader's own is found among all of the batch."""
    sizes, batch = ((4000, 300, 50), (6000, 200)), 512
    towers = nn.ModuleList(map(Tower, sizes))
    given = [
        (torch.stack([torch.randint(size, (batch,)) for size in one], 1), torch.randn(batch, 16))
        for one in sizes
    ]

    def loss() -> torch.Tensor:
        readers, articles = (tower(*one) for tower, one in zip(towers, given, strict=True))
        return F.cross_entropy(readers @ articles.T / 0.05, torch.arange(batch))

    return stepping(towers, loss)


class Watched(nn.Module):
    """Attention with a bias by distance, scores written out, then a gated perceptron."""

    def __init__(self, width: int, heads: int, most: int) -> None:
        super().__init__()
        self.heads, self.bias = heads, nn.Embedding(2 * most - 1, heads)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(2 * width, width)
        away = torch.arange(most)[:, None] - torch.arange(most) + most - 1
        self.register_buffer("away", away)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (
            part.view(shape).transpose(1, 2) for part in self.mixed(self.first(x)).chunk(3, 2)
        )
        scores = q @ k.transpose(2, 3) / shape[3] ** 0.5
        scores = scores + self.bias(self.away[:length, :length]).permute(2, 0, 1)
        x = x + self.out((scores.softmax(3) @ v).transpose(1, 2).reshape(batch, length, width))
        gate, value = self.up(self.second(x)).chunk(2, 2)
        return x + self.down(F.gelu(gate) * value)


def hidden_patches() -> Step:
    """Three quarters of the patches are hidden; a narrow second network paints them."""
    edge, patch, width, batch = 64, 8, 192, 12
    count, shown = (edge // patch) ** 2, 16
    entry, place = nn.Linear(3 * patch**2, width), nn.Parameter(0.02 * torch.randn(count, width))
    body = nn.Sequential(*(Watched(width, 6, count) for _ in range(5)))
    narrow, token = nn.Linear(width, 96), nn.Parameter(torch.zeros(96))
    painter = nn.Sequential(*(Watched(96, 3, count) for _ in range(2)))
    head = nn.Linear(96, 3 * patch**2)
    model = nn.ModuleList((entry, body, narrow, painter, head))
    model.register_parameter("place", place)
    model.register_parameter("token", token)
    pictures = torch.rand(batch, 3, edge, edge)

    def loss() -> torch.Tensor:
        patches = F.unfold(pictures, patch, stride=patch).transpose(1, 2)
        order = torch.rand(batch, count).argsort(1)
        some = order[:, :shown, None]
        seen = (entry(patches) + place).gather(1, some.expand(-1, -1, width))
        canvas = token.expand(batch, count, 96)
        canvas = canvas.scatter(1, some.expand(-1, -1, 96), narrow(body(seen)))
        error = (head(painter(canvas)) - patches).square().mean(2)
        return error.gather(1, order[:, shown:]).mean()

    return stepping(model, loss)


def couplings() -> Step:
    """Density of table rows: half of a row moves and scales the other half, eight times."""
    halves, inner = 32, 384
    nets = nn.ModuleList(
        nn.Sequential(nn.Linear(halves, inner), nn.Tanh(), nn.Linear(inner, 2 * halves))
        for _ in range(8)
    )
    rows = torch.randn(1024, 2 * halves)

    def loss() -> torch.Tensor:
        left, right = rows.chunk(2, 1)
        volume = torch.zeros(len(rows))
        for net in nets:
            scale, shift = net(left).chunk(2, 1)
            scale = 2.0 * torch.tanh(scale)
            left, right = right * scale.exp() + shift, left
            volume = volume + scale.sum(1)
        return (0.5 * (left.square() + right.square()).sum(1) - volume).mean()

    return stepping(nets, loss)


def heat_equation() -> Step:
    """A network that solves a differential equation: its loss holds second derivatives."""
    sizes = (3, 160, 160, 160, 160, 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])

    def derived(value: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad(value.sum(), by, create_graph=True)
        return found

    def loss() -> torch.Tensor:
        at = torch.rand(512, 3, requires_grad=True)
        first = derived(model(at), at)
        second = sum(derived(first[:, axis], at)[:, axis] for axis in (0, 1))
        edge = torch.rand(128, 3)
        edge[:, 2] = 0.0
        begun = torch.sin(3.14 * edge[:, :1]) * torch.sin(3.14 * edge[:, 1:2])
        return (first[:, 2] - 0.1 * second).square().mean() + F.mse_loss(model(edge), begun)

    return stepping(model, loss)


def voxels() -> Step:
    """Scans in three dimensions, cut to a smaller cube at random."""

    def block(before: int, after: int) -> nn.Sequential:
        inner = nn.Conv3d(before, after, 3, padding=1, bias=False)
        return nn.Sequential(inner, nn.InstanceNorm3d(after, affine=True), nn.LeakyReLU(0.01))

    model = nn.Sequential(
        *(block(1, 16), block(16, 16), nn.MaxPool3d(2), block(16, 32), block(32, 32)),
        *(nn.MaxPool3d(2), block(32, 64), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 2)),
    )
    scans, wanted = torch.randn(4, 1, 32, 32, 32), torch.randint(2, (4,))

    def loss() -> torch.Tensor:
        at = [int(torch.randint(8, ())) for _ in range(3)]
        x, y, z = (slice(start, start + 24) for start in at)
        return F.cross_entropy(model(scans[:, :, x, y, z]), wanted)

    return stepping(model, loss)


def dates_in_words() -> Step:
    """A library's translator in 16 bits, masked, with smoothed labels."""
    width, words = 128, 600
    read, written, head = (
        nn.Embedding(words, width),
        nn.Embedding(words, width),
        nn.Linear(width, words),
    )
    body = nn.Transformer(width, 4, 2, 2, 384, 0.1, batch_first=True)
    model = nn.ModuleList((read, written, body, head))
    given, wanted = torch.randint(1, words, (8, 40)), torch.randint(1, words, (8, 25))
    future = nn.Transformer.generate_square_subsequent_mask(24)

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = body(read(given), written(wanted[:, :-1]), tgt_mask=future, tgt_is_causal=True)
            scores = head(out)
        return F.cross_entropy(
            scores.float().flatten(0, 1), wanted[:, 1:].flatten(), label_smoothing=0.1
        )

    return stepping(model, loss)


def sentence_pairs() -> Step:
    """Meanings of two wordings come close: one encoder, means of the words that are there."""
    width, words, batch, length = 160, 4000, 24, 32
    table = nn.Embedding(words, width, padding_idx=0)
    layer = nn.TransformerEncoderLayer(width, 5, 640, 0.1, F.gelu, batch_first=True)
    body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    pairs = [torch.randint(1, words, (batch, length)) for _ in range(2)]
    for one in pairs:
        one[torch.arange(length) >= torch.randint(8, length, (batch, 1))] = 0

    def meaning(given: torch.Tensor) -> torch.Tensor:
        gone = given == 0
        out = body(table(given), src_key_padding_mask=gone).masked_fill(gone[..., None], 0.0)
        return F.normalize(out.sum(1) / (~gone).sum(1, keepdim=True), dim=1)

    def loss() -> torch.Tensor:
        likeness = meaning(pairs[0]) @ meaning(pairs[1]).T / 0.07
        own = torch.arange(batch)
        return 0.5 * (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own))

    return stepping(nn.ModuleList((table, body)), loss)


class Squeezed(nn.Module):
    """Widened, filtered channel by channel, weighed by what the whole picture holds, narrowed."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        wide = 4 * before
        self.wider = nn.Sequential(nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide))
        self.each = nn.Sequential(
            nn.Conv2d(wide, wide, 5, stride, 2, groups=wide, bias=False), nn.BatchNorm2d(wide)
        )
        self.weigh = nn.Sequential(
            nn.Conv2d(wide, before // 4, 1), nn.SiLU(), nn.Conv2d(before // 4, wide, 1)
        )
        self.narrower = nn.Sequential(nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after))
        self.around = before == after and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.silu(self.each(F.silu(self.wider(x))))
        y = self.narrower(y * torch.sigmoid(self.weigh(y.mean((2, 3), keepdim=True))))
        return x + y if self.around else y


def squeezed_pictures() -> Step:
    """Depthwise kernels and weighed channels, with mixed pairs of pictures."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.SiLU(), Squeezed(16, 24, 1), Squeezed(24, 24, 1)),
        *(Squeezed(24, 40, 2), Squeezed(40, 40, 1), Squeezed(40, 64, 2), Squeezed(64, 64, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 20)),
    )
    pictures, wanted = torch.rand(12, 3, 64, 64), torch.randint(20, (12,))

    def loss() -> torch.Tensor:
        share, other = float(torch.rand(())), torch.randperm(12)
        found = model(share * pictures + (1.0 - share) * pictures[other])
        mine, theirs = F.cross_entropy(found, wanted), F.cross_entropy(found, wanted[other])
        return share * mine + (1.0 - share) * theirs

    return stepping(model, loss)


def reviews() -> Step:
    """Lines of unlike length, packed; words weigh by attention."""
    width, words, batch = 128, 5000, 32
    table, body = nn.Embedding(words, width), nn.GRU(width, width, 1, batch_first=True)
    weigh, head = nn.Linear(width, 1), nn.Linear(width, 5)
    lengths = torch.randint(10, 60, (batch,)).sort(descending=True).values
    text, stars = torch.randint(words, (batch, 60)), torch.randint(5, (batch,))

    def loss() -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(table(text), lengths, batch_first=True)
        out, there = nn.utils.rnn.pad_packed_sequence(body(packed)[0], batch_first=True)
        scores = weigh(out)[..., 0]
        scores = scores.masked_fill(torch.arange(out.shape[1]) >= there[:, None], -1e9)
        return F.cross_entropy(head((scores.softmax(1)[..., None] * out).sum(1)), stars)

    return stepping(nn.ModuleList((table, body, weigh, head)), loss)


def sharper_pictures() -> Step:
    """Twice the resolution, channels turned into pixels, in 16 bits."""
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 3, padding=1)]
    for _ in range(4):
        layers += [nn.PReLU(24), nn.Conv2d(24, 24, 3, padding=1)]
    model = nn.Sequential(*layers, nn.Conv2d(24, 12, 3, padding=1), nn.PixelShuffle(2))
    sharp = torch.rand(4, 3, 48, 48)

    def loss() -> torch.Tensor:
        blurred = F.interpolate(sharp, scale_factor=0.5, mode="bicubic", antialias=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model(blurred)
        usual = F.interpolate(blurred, scale_factor=2, mode="bilinear")
        return ((found.float() + usual - sharp).square() + 1e-6).sqrt().mean()

    return stepping(model, loss)


def chess_moves() -> Step:
    """Boards of 8 x 8 read by residual blocks; two heads, for the move and for who wins."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *(nn.Conv2d(96, 96, 3, padding=1, bias=False), nn.BatchNorm2d(96), nn.ReLU()),
                *(nn.Conv2d(96, 96, 3, padding=1, bias=False), nn.BatchNorm2d(96)),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(x + self.body(x))

    trunk = nn.Sequential(nn.Conv2d(18, 96, 3, padding=1), *(Block() for _ in range(4)))
    move = nn.Sequential(nn.Conv2d(96, 24, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1536, 1800))
    win = nn.Sequential(nn.Conv2d(96, 1, 1), nn.Flatten(), nn.Linear(64, 1), nn.Tanh())
    model = nn.ModuleList((trunk, move, win))
    boards, moves = (torch.rand(64, 18, 8, 8) < 0.1).float(), torch.randint(1800, (64,))
    ends = torch.randint(-1, 2, (64,)).float()

    def loss() -> torch.Tensor:
        seen = trunk(boards)
        return F.cross_entropy(move(seen), moves) + F.mse_loss(win(seen)[:, 0], ends)

    return stepping(model, loss, weight_decay=1e-4)
