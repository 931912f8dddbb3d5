"""Programs of many trades, apart from the other sets: lines of text, videos, codecs, robot arms.

They were written, and sized by their FLOPs, after it was settled what is expected of counted steps,
and before any of them was timed.
"""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.training.programs import Program, of_rows
from tests.benchmarks.training.uncommon_programs import stepping

Step = Callable[[], float]


def programs() -> list[Program]:
    """All of them, as `python -m tests.benchmarks.calibration measure --programs` asks."""
    rows = (
        ("handwritten lines", "vision", "CNN and LSTM", "fp32", handwritten_lines),
        ("columns of a table", "other", "transformer encoder", "fp32", columns),
        ("melodies", "language", "decoder", "fp32", melodies),
        ("holes in portraits", "vision", "U-Net", "fp32", holes),
        ("street signs", "vision", "ResNet", "fp32", street_signs),
        ("robot arm", "other", "MLP", "fp32", robot_arm),
        ("topics of news", "language", "MLP", "fp32", topics),
        ("video clips", "vision", "CNN", "fp32", video_clips),
        ("sound codec", "speech", "CNN", "fp32", sound_codec),
        ("depth of a room", "vision", "CNN", "fp32", depth),
        ("long stories", "language", "GRU", "fp32", stories),
        ("pen strokes", "other", "LSTM", "fp32", strokes),
        ("captions", "language", "encoder-decoder transformer", "fp32", captions),
        ("small letters", "vision", "CNN", "bf16", small_letters),
    )
    return of_rows(rows)


def filtered(before: int, after: int, *, stride: int = 1, size: int = 3) -> nn.Sequential:
    """A convolution, its norm and a bend."""
    inner = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(inner, nn.BatchNorm2d(after), nn.ReLU())


def handwritten_lines() -> Step:
    """Columns of a picture of a line, read both ways, aligned with its letters."""
    front = nn.Sequential(
        *(filtered(1, 24), nn.MaxPool2d(2), filtered(24, 48), nn.MaxPool2d(2), filtered(48, 64)),
    )
    reader = nn.LSTM(64 * 8, 96, 1, batch_first=True, bidirectional=True)
    head = nn.Linear(192, 40)
    lines, letters = torch.rand(6, 1, 32, 192), torch.randint(1, 40, (6, 14))

    def loss() -> torch.Tensor:
        seen = front(lines).permute(0, 3, 1, 2).flatten(2)
        scores = head(reader(seen)[0]).log_softmax(2).transpose(0, 1)
        return F.ctc_loss(scores, letters, torch.full((6,), 48), torch.full((6,), 14))

    return stepping(nn.ModuleList((front, reader, head)), loss)


def columns() -> Step:
    """Every column of a table is a token; some of them are missing."""
    width, count, batch = 96, 36, 64
    scale, place = nn.Parameter(torch.randn(count, width)), nn.Parameter(torch.randn(count, width))
    layer = nn.TransformerEncoderLayer(width, 8, 192, 0.1, batch_first=True)
    body, head = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), nn.Linear(width, 2)
    model = nn.ModuleList((body, head))
    model.register_parameter("scale", scale)
    model.register_parameter("place", place)
    table, wanted = torch.randn(batch, count), torch.randint(2, (batch,))

    def loss() -> torch.Tensor:
        kept = (torch.rand_like(table) > 0.1)[..., None]
        tokens = torch.where(kept, table[..., None] * scale, 0.0) + place
        return F.cross_entropy(head(body(tokens).mean(1)), wanted)

    return stepping(model, loss)


class Fading(nn.Module):
    """Causal attention that fades with distance, then a squared perceptron."""

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.mixed, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        apart = torch.arange(length)[:, None] - torch.arange(length)
        slopes = 0.5 ** (1.0 + torch.arange(heads))
        fading = -slopes[:, None, None] * apart
        self.register_buffer("fading", fading.masked_fill(apart < 0, float("-inf")))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.mixed(self.norms[0](x)).view(batch, length, 3, self.heads, -1).unbind(2)
        scores = torch.einsum("blhd,bmhd->bhlm", q, k) * (width / self.heads) ** -0.5
        weights = (scores + self.fading[:, :length, :length]).softmax(-1)
        seen = torch.einsum("bhlm,bmhd->blhd", weights, v).reshape(batch, length, width)
        x = x + self.out(seen)
        return x + self.down(F.relu(self.up(self.norms[1](x))).square())


def melodies() -> Step:
    """The next note, with tied tables."""
    width, notes, length = 176, 400, 112
    table = nn.Embedding(notes, width)
    body = nn.Sequential(*(Fading(width, 4, length) for _ in range(4)), nn.LayerNorm(width))
    tunes = torch.randint(notes, (6, length + 1))

    def loss() -> torch.Tensor:
        scores = body(table(tunes[:, :-1])) @ table.weight.T
        return F.cross_entropy(scores.flatten(0, 1), tunes[:, 1:].flatten(), label_smoothing=0.05)

    return stepping(nn.ModuleList((table, body)), loss)


def holes() -> Step:
    """A hole is painted; edges count as much as colours."""
    down = nn.ModuleList((filtered(4, 20), filtered(20, 40, stride=2), filtered(40, 80, stride=2)))
    up = nn.ModuleList((filtered(120, 40), filtered(60, 20)))
    head = nn.Conv2d(20, 3, 1)
    pictures = torch.rand(6, 3, 48, 48)

    def loss() -> torch.Tensor:
        hole = torch.zeros(6, 1, 48, 48)
        top, left = torch.randint(24, (2,)).tolist()
        hole[:, :, top : top + 20, left : left + 20] = 1.0
        x, seen = torch.cat((pictures * (1.0 - hole), hole), 1), []
        for one in down:
            x = one(x)
            seen.append(x)
        for one, beside in zip(up, seen[-2::-1], strict=True):
            x = one(torch.cat((F.interpolate(x, scale_factor=2.0), beside), 1))
        off = torch.sigmoid(head(x)) - pictures
        edges = off.diff(dim=2).abs().mean() + off.diff(dim=3).abs().mean()
        return off.abs().mean() + edges

    return stepping(nn.ModuleList((down, up, head)), loss)


class Skipping(nn.Module):
    """Norms before convolutions; the whole block is left out now and then."""

    def __init__(self, width: int, chance: float) -> None:
        super().__init__()
        self.chance = chance
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)),
            *(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = (torch.rand(len(x), 1, 1, 1) > self.chance) / (1.0 - self.chance)
        return x + kept * self.body(x)


def street_signs() -> Step:
    """Residual blocks of unlike depth, momentum, gradients clipped."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 28, 3, padding=1), Skipping(28, 0.05), Skipping(28, 0.1)),
        *(nn.Conv2d(28, 56, 3, 2, 1), Skipping(56, 0.15), Skipping(56, 0.2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(56, 43)),
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9, nesterov=True)
    pictures, wanted = torch.rand(16, 3, 40, 40), torch.randint(43, (16,))

    def step() -> float:
        optimizer.zero_grad()
        light = 0.7 + 0.6 * torch.rand(16, 1, 1, 1)
        error = F.cross_entropy(model((pictures * light).clamp(0.0, 1.0)), wanted)
        error.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        return float(error.detach())

    return step


def robot_arm() -> Step:
    """Two judges and an actor, each with its optimizer; slow copies of the judges."""

    def net(given: int, wanted: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Linear(given, 320), nn.ReLU(), nn.Linear(320, 320), nn.ReLU()),
            nn.Linear(320, wanted),
        )

    actor, judges = net(24, 12), nn.ModuleList((net(30, 1), net(30, 1)))
    slow = copy.deepcopy(judges)
    of_actor, of_judges = (torch.optim.Adam(one.parameters(), 3e-4) for one in (actor, judges))
    memory = torch.randn(20_000, 24 + 6 + 1 + 24)

    def acted(seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, spread = actor(seen).chunk(2, 1)
        drawn = torch.distributions.Normal(mean, spread.clamp(-5.0, 2.0).exp())
        raw = drawn.rsample()
        action = torch.tanh(raw)
        return action, (drawn.log_prob(raw) - torch.log(1.0 - action.square() + 1e-6)).sum(1)

    def judged(by: nn.ModuleList, seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return torch.stack([one(torch.cat((seen, action), 1))[:, 0] for one in by])

    def step() -> float:
        seen, action, gain, after = memory[torch.randint(20_000, (256,))].split((24, 6, 1, 24), 1)
        with torch.no_grad():
            ahead, likely = acted(after)
            worth = gain[:, 0] + 0.99 * (judged(slow, after, ahead).amin(0) - 0.2 * likely)
        of_judges.zero_grad()
        error = (judged(judges, seen, action) - worth).square().mean()
        error.backward()
        of_judges.step()
        of_actor.zero_grad()
        mine, likely = acted(seen)
        (0.2 * likely - judged(judges, seen, mine).amin(0)).mean().backward()
        of_actor.step()
        with torch.no_grad():
            for kept, now in zip(slow.parameters(), judges.parameters(), strict=True):
                kept.lerp_(now, 0.005)
        return float(error.detach())

    return step


def topics() -> Step:
    """Words and pairs of words as one mean, then a wide perceptron."""
    bags, batch, length = nn.EmbeddingBag(20_000, 128, mode="mean"), 256, 80
    head = nn.Sequential(
        *(nn.Linear(128, 768), nn.GELU(), nn.Dropout(0.3), nn.Linear(768, 768), nn.GELU()),
        nn.Linear(768, 60),
    )
    words, wanted = torch.randint(10_000, (batch, length)), torch.randint(60, (batch,))

    def loss() -> torch.Tensor:
        pairs = 10_000 + (words[:, :-1] * 31 + words[:, 1:]) % 10_000
        return F.cross_entropy(head(bags(torch.cat((words, pairs), 1))), wanted)

    return stepping(nn.ModuleList((bags, head)), loss)


def video_clips() -> Step:
    """Filters over the picture, then over time."""

    def block(before: int, after: int, stride: int) -> nn.Sequential:
        inside = nn.Conv3d(before, after, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        along = nn.Conv3d(after, after, (3, 1, 1), padding=(1, 0, 0), bias=False)
        return nn.Sequential(inside, nn.BatchNorm3d(after), nn.ReLU(), along, nn.ReLU())

    model = nn.Sequential(
        *(block(3, 16, 2), block(16, 32, 1), block(32, 48, 2), block(48, 64, 1)),
        *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 25)),
    )
    clips, wanted = torch.rand(2, 3, 12, 56, 56), torch.randint(25, (2,))

    def loss() -> torch.Tensor:
        turned = clips.flip(4) if float(torch.rand(())) < 0.5 else clips
        return F.cross_entropy(model(turned), wanted)

    return stepping(model, loss)


def sound_codec() -> Step:
    """Waves are thinned, rounded to a table of codes twice, and restored."""
    widths = (1, 24, 48, 96)
    down = nn.Sequential(
        *(
            nn.Sequential(nn.Conv1d(before, after, 8, 4, 2), nn.ELU())
            for before, after in pairwise(widths)
        )
    )
    up = nn.Sequential(
        *(
            nn.Sequential(nn.ELU(), nn.ConvTranspose1d(before, after, 8, 4, 2))
            for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
    )
    codes = nn.Parameter(torch.randn(2, 256, 96))
    model = nn.ModuleList((down, up))
    model.register_parameter("codes", codes)
    waves = torch.randn(8, 1, 4096)

    def loss() -> torch.Tensor:
        rest = found = down(waves).transpose(1, 2)
        kept, apart = torch.zeros_like(found), torch.zeros(())
        for table in codes:
            nearest = table[torch.cdist(rest, table).argmin(2)]
            apart = apart + F.mse_loss(nearest, rest.detach()) + F.mse_loss(rest, nearest.detach())
            kept, rest = kept + nearest, rest - nearest
        restored = up((found + (kept - found).detach()).transpose(1, 2))
        return F.l1_loss(restored, waves) + 0.25 * apart

    return stepping(model, loss)


def depth() -> Step:
    """Distances from one picture; their common scale is free."""
    down = nn.ModuleList((filtered(3, 24, stride=2), filtered(24, 48, stride=2, size=5)))
    middle = nn.Sequential(*(filtered(48, 48) for _ in range(3)))
    up = nn.ModuleList((nn.ConvTranspose2d(48, 24, 2, 2), nn.ConvTranspose2d(24, 1, 2, 2)))
    pictures, far = torch.rand(6, 3, 64, 80), torch.rand(6, 1, 64, 80) + 0.1

    def loss() -> torch.Tensor:
        near = down[0](pictures)
        x = up[0](middle(down[1](near))) + near
        off = F.softplus(up[1](x)).add(1e-3).log() - far.log()
        return (off.square().mean((1, 2, 3)) - 0.85 * off.mean((1, 2, 3)).square()).sqrt().mean()

    return stepping(nn.ModuleList((down, middle, up)), loss)


def stories() -> Step:
    """The memory of one stretch of text goes on into the next; words are tied."""
    width, words, batch, length = 224, 2500, 16, 40
    table, body = nn.Embedding(words, width), nn.GRU(width, width, 2, dropout=0.2)
    model = nn.ModuleList((table, body))
    text, state = torch.randint(words, (length * 50 + 1, batch)), [torch.zeros(2, batch, width)]
    at = [0]

    def loss() -> torch.Tensor:
        at[0] = (at[0] + length) % (length * 50)
        part = text[at[0] : at[0] + length + 1]
        out, after = body(table(part[:-1]), state[0])
        state[0] = after.detach()
        return F.cross_entropy((out @ table.weight.T).flatten(0, 1), part[1:].flatten())

    return stepping(model, loss)


def strokes() -> Step:
    """Where the pen goes next: a mixture of normals, the pen up or down."""
    body, head = nn.LSTM(3, 192, 1, batch_first=True), nn.Linear(192, 10 * 5 + 1)
    drawings = torch.randn(24, 61, 3)

    def loss() -> torch.Tensor:
        found = head(body(drawings[:, :-1])[0])
        share, *rest = found[..., :-1].chunk(5, -1)
        mean, spread = torch.stack(rest[:2], -1), torch.stack(rest[2:], -1).clamp(-4.0, 4.0).exp()
        place = drawings[:, 1:, None, :2]
        each = torch.distributions.Normal(mean, spread).log_prob(place).sum(-1)
        pen = (drawings[:, 1:, 2] > 0).float()
        lifted = F.binary_cross_entropy_with_logits(found[..., -1], pen)
        return lifted - torch.logsumexp(share.log_softmax(-1) + each, -1).mean()

    return stepping(nn.ModuleList((body, head)), loss)


def captions() -> Step:
    """A picture's squares are read while its caption is written; the loss skips what is filled."""
    width, words = 144, 1500
    eye = nn.Conv2d(3, width, 16, 16)
    table, head = nn.Embedding(words, width), nn.Linear(width, words)
    layer = nn.TransformerDecoderLayer(width, 4, 432, 0.1, batch_first=True, norm_first=True)
    writer = nn.TransformerDecoder(layer, 3)
    pictures, said = torch.rand(8, 3, 96, 96), torch.randint(1, words, (8, 22))
    said[torch.arange(22) >= torch.randint(8, 23, (8, 1))] = 0
    future = nn.Transformer.generate_square_subsequent_mask(21)

    def loss() -> torch.Tensor:
        squares = eye(pictures).flatten(2).transpose(1, 2)
        out = writer(table(said[:, :-1]), squares, tgt_mask=future, tgt_is_causal=True)
        return F.cross_entropy(head(out).flatten(0, 1), said[:, 1:].flatten(), ignore_index=0)

    return stepping(nn.ModuleList((eye, table, writer, head)), loss)


def small_letters() -> Step:
    """Plain convolutions on small grey pictures, in 16 bits."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(32 * 144, 64), nn.ReLU(), nn.Linear(64, 26)),
    )
    pictures, wanted = torch.rand(24, 1, 28, 28), torch.randint(26, (24,))

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores: Any = model(pictures)
        return F.cross_entropy(scores.float(), wanted)

    return stepping(model, loss)
