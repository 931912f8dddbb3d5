"""Training as it is every day: steps that also load, augment, sample, average and keep accounts.

The networks are like others; what stands beside them in a step is what `calibrate bench` lacks.
"""

import copy
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.training import torch_programs as t
from tests.benchmarks.training.programs import Program, of_rows

Step = Callable[[], float]

DRAW = np.random.default_rng()


def programs() -> list[Program]:
    """All of them, as `python -m tests.benchmarks.calibration measure --programs` asks."""
    rows = (
        ("ResNet, crops and flips", "vision", "ResNet", "fp32", augmented_resnet),
        ("SimCLR", "vision", "ResNet", "fp32", contrastive),
        ("GPT, accumulation and EMA", "language", "decoder", "fp32", accumulated),
        ("BERT, masks drawn anew", "language", "encoder", "fp32", masked),
        ("LoRA of a Llama", "language", "decoder", "bf16", adapted),
        ("experts in a loop", "language", "mixture of experts", "fp32", sparse),
        ("tagger of padded lines", "language", "GRU", "fp32", tagger),
        ("ViT, distilled", "vision", "ViT", "bf16", distilled),
        ("DCGAN", "vision", "CNN", "fp32", adversarial),
        ("U-Net, EMA and guidance", "diffusion", "U-Net", "fp32", denoiser),
        ("WaveNet", "speech", "WaveNet", "fp32", waves),
        ("DQN", "vision", "CNN", "fp32", replayed),
        ("PPO", "other", "MLP", "fp32", on_policy),
        ("DLRM", "other", "MLP", "fp32", recommender),
    )
    return of_rows(rows)


def cropped(store: np.ndarray, edge: int) -> torch.Tensor:
    """Pictures out of a store of bytes, cropped and flipped one by one, then brought to floats."""
    chosen = []
    for number in DRAW.integers(len(store), size=16):
        top, left = DRAW.integers(store.shape[1] - edge + 1, size=2)
        picture = store[number, top : top + edge, left : left + edge]
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        chosen.append(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1))
    return (torch.stack(chosen).float() / 255 - 0.45) / 0.22


def bytes_of(edge: int) -> np.ndarray:
    return DRAW.integers(0, 256, (512, edge, edge, 3), dtype=np.uint8)


def augmented_resnet() -> Step:
    store = bytes_of(40)
    return t.trained(
        t.bottleneck_network(16),
        lambda: (cropped(store, 32), torch.randint(10, (16,))),
        lambda model, x, y: F.cross_entropy(model(x), y, label_smoothing=0.1),
        loaded=True,
    )


def contrastive() -> Step:
    """Two views of each picture, brightened and blurred, are found among all others."""
    store = bytes_of(40)

    def view() -> torch.Tensor:
        x = cropped(store, 32)
        x = x * (0.6 + 0.8 * torch.rand(len(x), 1, 1, 1)) + 0.4 * torch.rand(len(x), 3, 1, 1)
        grey = x.mean(1, keepdim=True).expand_as(x)
        x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.2, grey, x)
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)

    def loss(model: nn.Module, first: Any, second: Any) -> torch.Tensor:
        z = F.normalize(model(torch.cat((first, second))), dim=1)
        likeness = z @ z.T / 0.5
        likeness = likeness.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
        return F.cross_entropy(likeness, torch.arange(len(z)).roll(len(z) // 2))

    return t.trained(t.bottleneck_network(12), lambda: (view(), view()), loss, loaded=True)


@torch.no_grad()
def averaged(average: nn.Module, model: nn.Module) -> None:
    """Move the average of the weights a little, parameter by parameter."""
    for kept, now in zip(average.parameters(), model.parameters(), strict=True):
        kept.mul_(0.999).add_(now, alpha=0.001)


def accumulated() -> Step:
    """Four small batches a step, a schedule, accounts of each loss, averaged weights."""
    model = t.MinimalGpt(1500, 160, 3, 4, 64)
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10_000)
    text = torch.randint(1500, (100_000,)).tolist()
    losses: deque[float] = deque(maxlen=100)

    def step() -> float:
        for _ in range(4):
            starts = [random.randrange(len(text) - 65) for _ in range(2)]
            tokens = torch.tensor([text[at : at + 65] for at in starts])
            error = t.next_word(model, tokens) / 4
            error.backward()
            losses.append(float(error.detach()))
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        averaged(average, model)
        return sum(losses) / len(losses)

    return step


def masked() -> Step:
    """Words looked up in a dictionary line by line, masks drawn anew, accuracy kept."""
    vocabulary = {f"word{number}": number for number in range(2000)}
    lines = [" ".join(random.choices(list(vocabulary), k=48)) for _ in range(400)]
    hits: list[float] = []

    def batch() -> tuple[Any, ...]:
        rows = [[vocabulary[word] for word in random.choice(lines).split()] for _ in range(8)]
        wanted = torch.tensor(rows)
        hidden = torch.rand(wanted.shape) < 0.15
        return wanted.masked_fill(hidden, 0), wanted.masked_fill(~hidden, -100)

    def loss(model: nn.Module, given: Any, wanted: Any) -> torch.Tensor:
        logits = model(given)
        hits.append(float((logits.argmax(-1) == wanted).sum() / (wanted >= 0).sum()))
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    return t.trained(t.LibraryEncoder(2000, 160, 3, 4), batch, loss, clip=True, loaded=True)


class Adapter(nn.Module):
    """A frozen layer with a narrow detour that learns."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + 2 * self.up(self.down(x))


def adapted() -> Step:
    model = t.LlamaLike(2000, 256, 4, 4).requires_grad_(False)
    for layer in model.layers:
        for name in ("query", "value"):
            layer[name] = Adapter(layer[name], 8)
    return t.trained(model, t.words(4, 96, 2000), t.next_word, bf16=True, loaded=True)


class Experts(nn.Module):
    """Each token goes to the two experts that a gate chooses, expert by expert."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(experts)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(0, 1)
        share, chosen = self.gate(flat).softmax(-1).topk(2)
        found = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == number)
            if len(rows):
                found.index_add_(0, rows, share[rows, place, None] * expert(flat[rows]))
        return found.view_as(x)


def sparse() -> Step:
    model = t.MinimalGpt(1500, 128, 2, 4, 64)
    model.perceptrons = nn.ModuleList(Experts(128, 8) for _ in range(2))
    return t.trained(model, t.words(6, 64, 1500), t.next_word, clip=True, loaded=True)


class Tagger(nn.Module):
    """A GRU in two directions over lines of their own lengths."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(3000, width, padding_idx=0)
        self.body = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 12)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.words(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        found, _ = nn.utils.rnn.pad_packed_sequence(self.body(packed)[0], batch_first=True)
        return self.head(found)


def tagger() -> Step:
    lines = [[random.randrange(1, 3000) for _ in range(random.randint(8, 48))] for _ in range(500)]

    def batch() -> tuple[Any, ...]:
        chosen = [torch.tensor(random.choice(lines)) for _ in range(16)]
        tokens = nn.utils.rnn.pad_sequence(chosen, batch_first=True)
        return tokens, torch.tensor([len(line) for line in chosen])

    def loss(model: nn.Module, tokens: Any, lengths: Any) -> torch.Tensor:
        logits = model(tokens, lengths)
        return F.cross_entropy(logits.flatten(0, 1), (tokens % 12).flatten())

    return t.trained(Tagger(96), batch, loss, clip=True, loaded=True)


def distilled() -> Step:
    teacher = t.VisionTransformer(32, 4, 192, 4, 4).eval()

    def loss(model: nn.Module, x: Any, y: Any) -> torch.Tensor:
        with torch.no_grad():
            wanted = teacher(x)
        logits = model(x)
        soft = F.kl_div(logits.log_softmax(-1), wanted.softmax(-1), reduction="batchmean")
        return soft + F.cross_entropy(logits, y)

    student = t.VisionTransformer(32, 4, 96, 3, 3)
    return t.trained(student, t.pictures(8, 32), loss, bf16=True, loaded=True)


def adversarial() -> Step:
    """One step of the critic and one of the generator, each with its optimizer."""
    generator = nn.Sequential(
        *(nn.ConvTranspose2d(64, 128, 4), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh()),
    )
    critic = nn.Sequential(
        *(nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(32, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(128, 1, 4), nn.Flatten()),
    )
    first, second = (
        torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
        for network in (generator, critic)
    )
    yes, no, store = torch.ones(16, 1), torch.zeros(16, 1), bytes_of(40)
    judged = F.binary_cross_entropy_with_logits

    def step() -> float:
        made = generator(torch.randn(16, 64, 1, 1))
        second.zero_grad()
        wrong = judged(critic(cropped(store, 32)), yes) + judged(critic(made.detach()), no)
        wrong.backward()
        second.step()
        first.zero_grad()
        fooled = judged(critic(made), yes)
        fooled.backward()
        first.step()
        return float(wrong.detach() + fooled.detach())

    return step


def denoiser() -> Step:
    """Noise by a schedule, some samples without their class, averaged weights."""
    model = t.SmallUnet(16)
    average, store = copy.deepcopy(model), bytes_of(40)
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)

    def loss(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
        share = kept[torch.randint(1000, (len(x),))].view(-1, 1, 1, 1)
        noise = torch.randn_like(x)
        shown = share.sqrt() * x + (1 - share).sqrt() * noise
        shown = torch.where(torch.rand(len(x), 1, 1, 1) < 0.1, torch.zeros_like(shown), shown)
        return F.mse_loss(network(shown), noise)

    usual = t.trained(model, lambda: (cropped(store, 32),), loss, clip=True, loaded=True)

    def step() -> float:
        error = usual()
        averaged(average, model)
        return error

    return step


class Waves(nn.Module):
    """Gated convolutions in time whose steps double, with skips."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, width, 1)
        self.gated = nn.ModuleList(
            nn.Conv1d(width, 2 * width, 2, dilation=2**layer) for layer in range(layers)
        )
        self.mixed = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for _ in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(width, 256, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, skipped = self.first(x), 0
        for gated, mixed in zip(self.gated, self.mixed, strict=True):
            value, gate = gated(F.pad(x, (gated.dilation[0], 0))).chunk(2, 1)
            more, skip = mixed(value.tanh() * gate.sigmoid()).chunk(2, 1)
            x, skipped = x + more, skipped + skip
        return self.head(skipped)


def waves() -> Step:
    record = np.sin(np.arange(200_000) / 9) + 0.1 * DRAW.standard_normal(200_000)

    def batch() -> tuple[Any, ...]:
        starts = DRAW.integers(len(record) - 1025, size=4)
        cut = np.stack([record[at : at + 1025] for at in starts]).clip(-1, 1)
        coded = np.sign(cut) * np.log1p(255 * np.abs(cut)) / np.log(256)
        levels = ((coded + 1) / 2 * 255).astype(np.int64)
        return torch.from_numpy(coded[:, None, :-1]).float(), torch.from_numpy(levels[:, 1:])

    return t.trained(Waves(32, 8), batch, t.class_error, loaded=True)


def replayed() -> Step:
    """Frames of a game out of a replay memory, and a network of before that sets the aim."""
    network = nn.Sequential(
        *(nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 9 * 9, 128), nn.ReLU(), nn.Linear(128, 6)),
    )
    before = copy.deepcopy(network)
    optimizer = torch.optim.RMSprop(network.parameters(), lr=2.5e-4)
    frames = [DRAW.integers(0, 256, (84, 84), dtype=np.uint8) for _ in range(800)]
    memory = [(at, random.randrange(6), random.random()) for at in range(4, 795)]

    def stacked(places: list[int]) -> torch.Tensor:
        found = np.stack([np.stack(frames[at - 4 : at]) for at in places])
        return torch.from_numpy(found).float() / 255

    def step() -> float:
        drawn = random.sample(memory, 32)
        places = [at for at, _, _ in drawn]
        actions = torch.tensor([action for _, action, _ in drawn])
        rewards = torch.tensor([reward for _, _, reward in drawn])
        with torch.no_grad():
            aim = rewards + 0.99 * before(stacked([at + 1 for at in places])).max(1).values
        value = network(stacked(places)).gather(1, actions[:, None]).squeeze(1)
        error = F.smooth_l1_loss(value, aim)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        return float(error.detach())

    return step


def on_policy() -> Step:
    """Eight pendulums played for a while, then 16 updates from what happened."""
    body = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    policy, value = nn.Linear(64, 2), nn.Linear(64, 1)
    parameters = [*body.parameters(), *policy.parameters(), *value.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-4)
    state = DRAW.uniform(-0.05, 0.05, (8, 4))

    def played(action: np.ndarray) -> np.ndarray:
        """Move the poles of CartPole by Euler's method; those that fell begin anew."""
        x, speed, angle, turn = state.T
        pull = (20.0 * action - 10.0 + 0.05 * turn**2 * np.sin(angle)) / 1.1
        bend = (9.8 * np.sin(angle) - np.cos(angle) * pull) / (
            0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1)
        )
        push = pull - 0.05 * bend * np.cos(angle) / 1.1
        state[:] += 0.02 * np.stack((speed, push, turn, bend), axis=1)
        fell = (np.abs(x) > 2.4) | (np.abs(angle) > 0.21)
        state[fell] = DRAW.uniform(-0.05, 0.05, (int(fell.sum()), 4))
        return fell

    def step() -> float:
        seen, done, paid = [], [], []
        for _ in range(32):
            now = torch.from_numpy(state.copy()).float()
            with torch.no_grad():
                hidden = body(now)
                chosen = torch.distributions.Categorical(logits=policy(hidden))
                action = chosen.sample()
                seen.append((now, action, chosen.log_prob(action), value(hidden).squeeze(1)))
            done.append(played(action.numpy()))
            paid.append(1.0 - done[-1])
        gain = np.zeros(8)
        gains = []
        for pay, fell in zip(reversed(paid), reversed(done), strict=True):
            gain = pay + 0.99 * gain * ~fell
            gains.append(gain)
        aims = torch.from_numpy(np.concatenate(gains[::-1])).float()
        states, actions, chances, values = (torch.cat(one) for one in zip(*seen, strict=True))
        better = aims - values
        better = (better - better.mean()) / (better.std() + 1e-8)
        for _ in range(4):
            for rows in torch.randperm(len(aims)).chunk(4):
                hidden = body(states[rows])
                chosen = torch.distributions.Categorical(logits=policy(hidden))
                ratio = (chosen.log_prob(actions[rows]) - chances[rows]).exp()
                gained = torch.minimum(
                    ratio * better[rows], ratio.clamp(0.8, 1.2) * better[rows]
                ).mean()
                missed = F.mse_loss(value(hidden).squeeze(1), aims[rows])
                error = 0.5 * missed - gained - 0.01 * chosen.entropy().mean()
                optimizer.zero_grad()
                error.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimizer.step()
        return float(error.detach())

    return step


class Recommender(nn.Module):
    """Looked-up vectors that meet in pairs, between two perceptrons."""

    def __init__(self, tables: int, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            nn.EmbeddingBag(20_000, width, mode="sum") for _ in range(tables)
        )
        self.dense = nn.Sequential(nn.Linear(13, 128), nn.ReLU(), nn.Linear(128, width), nn.ReLU())
        pairs = (tables + 1) * tables // 2
        self.last = nn.Sequential(nn.Linear(pairs + width, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, dense: torch.Tensor, looked_up: torch.Tensor) -> torch.Tensor:
        first = self.dense(dense)
        found = [table(looked_up[:, at]) for at, table in enumerate(self.tables)]
        all_of_them = torch.stack((first, *found), dim=1)
        meet = all_of_them @ all_of_them.transpose(1, 2)
        row, column = torch.tril_indices(meet.shape[1], meet.shape[1], -1)
        return self.last(torch.cat((first, meet[:, row, column]), dim=1)).squeeze(1)


def recommender() -> Step:
    clicks = DRAW.integers(0, 20_000, (50_000, 8, 4))

    def batch() -> tuple[Any, ...]:
        rows = DRAW.integers(len(clicks), size=256)
        dense = np.log1p(DRAW.exponential(5.0, (256, 13)))
        return torch.from_numpy(dense).float(), torch.from_numpy(clicks[rows])

    def loss(model: nn.Module, dense: Any, looked_up: Any) -> torch.Tensor:
        wanted = (looked_up.sum((1, 2)) % 2).float()
        return F.binary_cross_entropy_with_logits(model(dense, looked_up), wanted)

    return t.trained(Recommender(8, 16), batch, loss, optimizer=torch.optim.Adagrad, loaded=True)
