"""U-Nets (segmentation, diffusion) and multilayer perceptrons (tabular, VAE, NeRF-like field)."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.benchmarks.training.programs import Program


# ----------------------------------------------------- segmentation U-Net (fp32)
class DoubleConv(nn.Module):
    """(convolution => [BN] => ReLU) * 2"""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels, n_classes, base=16):
        super().__init__()
        self.inc = DoubleConv(n_channels, base)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base, base * 2))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base * 2, base * 4))
        self.down3 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base * 4, base * 8))
        self.up1 = Up(base * 8, base * 4)
        self.up2 = Up(base * 4, base * 2)
        self.up3 = Up(base * 2, base)
        self.outc = nn.Conv2d(base, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(x4, x3)
        x = self.up2(x, x2)
        x = self.up3(x, x1)
        return self.outc(x)


def dice_loss(logits, target, eps=1.0):
    p = torch.sigmoid(logits)
    inter = (p * target).sum((1, 2, 3))
    union = p.sum((1, 2, 3)) + target.sum((1, 2, 3))
    return 1 - ((2 * inter + eps) / (union + eps)).mean()


def build_unet_seg():
    net = UNet(3, 1)
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    bce = nn.BCEWithLogitsLoss()
    size, n = 128, 10
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ious = []

    def circles():
        c = torch.randint(20, size - 20, (n, 2, 1, 1))
        r = torch.randint(8, 30, (n, 1, 1))
        mask = ((yy - c[:, 0]) ** 2 + (xx - c[:, 1]) ** 2 < r**2).float().unsqueeze(1)
        img = 0.3 * torch.randn(n, 3, size, size) + mask
        if torch.rand(1) < 0.5:
            img, mask = img.flip(3), mask.flip(3)
        k = int(torch.randint(0, 4, (1,)))
        return torch.rot90(img, k, (2, 3)), torch.rot90(mask, k, (2, 3))

    def step():
        img, mask = circles()
        pred = net(img)
        loss = bce(pred, mask) + dice_loss(pred, mask)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        with torch.no_grad():
            hard = pred > 0
            inter = (hard & mask.bool()).sum()
            union = (hard | mask.bool()).sum()
            ious.append((inter / union.clamp(min=1)).item())
        return loss.item()

    return step, None


# ------------------------------------------------------------ DDPM (bf16)
def timestep_embedding(t, dim):
    half = dim // 2
    freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    args = t[:, None].float() * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


class ResBlock(nn.Module):
    def __init__(self, cin, cout, temb, dropout=0.1):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.temb_proj = nn.Linear(temb, cout)
        self.norm2 = nn.GroupNorm(8, cout)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.skip = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x, temb):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.temb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return h + self.skip(x)


class AttnBlock(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.norm = nn.GroupNorm(8, ch)
        self.qkv = nn.Conv2d(ch, 3 * ch, 1)
        self.proj = nn.Conv2d(ch, ch, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, 3, c, h * w).unbind(1)
        weight = torch.softmax(torch.bmm(q.transpose(1, 2), k) * c**-0.5, dim=-1)
        out = torch.bmm(v, weight.transpose(1, 2).to(v.dtype)).view(b, c, h, w)
        return x + self.proj(out)


class DiffusionUNet(nn.Module):
    def __init__(self, ch=16, mult=(1, 2, 2), in_ch=3):
        super().__init__()
        self.ch, temb = ch, 4 * ch
        self.time = nn.Sequential(nn.Linear(ch, temb), nn.SiLU(), nn.Linear(temb, temb))
        self.conv_in = nn.Conv2d(in_ch, ch, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        chans, cur = [ch], ch
        for level, m in enumerate(mult):
            self.down.append(ResBlock(cur, ch * m, temb))
            cur = ch * m
            chans.append(cur)
            if level < len(mult) - 1:
                self.down.append(nn.Conv2d(cur, cur, 3, stride=2, padding=1))
                chans.append(cur)
        self.mid1, self.mid_attn, self.mid2 = (
            ResBlock(cur, cur, temb),
            AttnBlock(cur),
            ResBlock(cur, cur, temb),
        )
        for level, m in reversed(list(enumerate(mult))):
            for _ in range(2):
                self.up.append(ResBlock(cur + chans.pop(), ch * m, temb))
                cur = ch * m
            if level:
                self.up.append(
                    nn.Sequential(
                        nn.Upsample(scale_factor=2, mode="nearest"),
                        nn.Conv2d(cur, cur, 3, padding=1),
                    )
                )
        self.norm_out = nn.GroupNorm(8, cur)
        self.conv_out = nn.Conv2d(cur, in_ch, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x, t):
        temb = self.time(timestep_embedding(t, self.ch))
        h = self.conv_in(x)
        hs = [h]
        for m in self.down:
            h = m(h, temb) if isinstance(m, ResBlock) else m(h)
            hs.append(h)
        h = self.mid2(self.mid_attn(self.mid1(h, temb)), temb)
        for m in self.up:
            h = m(torch.cat([h, hs.pop()], 1), temb) if isinstance(m, ResBlock) else m(h)
        return self.conv_out(F.silu(self.norm_out(h)))


def build_ddpm():
    T, B = 1000, 4
    betas = torch.linspace(1e-4, 0.02, T)
    alphas_bar = torch.cumprod(1.0 - betas, 0)
    model = DiffusionUNet()
    ema_model = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=0.0)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(s + 1, 500) / 500)

    def step():
        x0 = torch.rand(B, 3, 32, 32) * 2 - 1
        t = torch.randint(0, T, (B,))
        noise = torch.randn_like(x0)
        ab = alphas_bar[t].view(-1, 1, 1, 1)
        xt = ab.sqrt() * x0 + (1 - ab).sqrt() * noise
        with torch.autocast("cpu", dtype=torch.bfloat16):
            eps = model(xt, t)
        loss = F.mse_loss(eps.float(), noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warm.step()
        with torch.no_grad():
            for pe, p in zip(ema_model.parameters(), model.parameters(), strict=False):
                pe.lerp_(p, 0.001)
        return loss.item()

    return step, None


# ------------------------------------------ tabular net with categorical columns
class TabularModel(nn.Module):
    def __init__(self, cardinalities, n_cont, layers, out_sz, emb_drop=0.04, p=0.2):
        super().__init__()
        sizes = [(c, min(50, (c + 1) // 2)) for c in cardinalities]
        self.embeds = nn.ModuleList([nn.Embedding(c, s) for c, s in sizes])
        self.emb_drop = nn.Dropout(emb_drop)
        self.bn_cont = nn.BatchNorm1d(n_cont)
        n_in = sum(s for _, s in sizes) + n_cont
        mods = []
        for n in layers:
            mods += [nn.Linear(n_in, n), nn.ReLU(inplace=True), nn.BatchNorm1d(n), nn.Dropout(p)]
            n_in = n
        mods.append(nn.Linear(n_in, out_sz))
        self.layers = nn.Sequential(*mods)

    def forward(self, x_cat, x_cont):
        x = torch.cat([e(x_cat[:, i]) for i, e in enumerate(self.embeds)], 1)
        x = torch.cat([self.emb_drop(x), self.bn_cont(x_cont)], 1)
        return self.layers(x)


def build_tabular():
    cards, n_cont, rows, bs = [1000, 53, 24, 12, 7, 300], 16, 50_000, 512
    cat = torch.stack([torch.randint(0, c, (rows,)) for c in cards], 1)
    cont = torch.randn(rows, n_cont)
    target = (cont[:, :4].sum(1) + 0.1 * cat[:, 2] > 1).float()
    ds = torch.utils.data.TensorDataset(cat, cont, target)
    # index whole batches, which is much faster than collating row by row
    sampler = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(ds), bs, drop_last=True)
    model = TabularModel(cards, n_cont, [256, 128], 1)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    criterion = nn.BCEWithLogitsLoss()
    batches = iter(sampler)
    running = 0.0

    def step():
        nonlocal batches, running
        try:
            idx = next(batches)
        except StopIteration:
            batches = iter(sampler)
            idx = next(batches)
        xc, xn, y = ds[idx]
        model.train()
        out = model(xc, xn).squeeze(1)
        loss = criterion(out, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        running = 0.98 * running + 0.02 * ((out > 0) == (y > 0.5)).float().mean().item()
        return loss.item()

    return step, None


# -------------------------------------------------- VAE (the pytorch/examples one)
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def vae_loss(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def build_vae():
    torch.manual_seed(1)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    train_loss = []

    def step():
        data = torch.rand(256, 1, 28, 28).pow(3)
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(data)
        loss = vae_loss(recon_batch, data, mu, logvar)
        loss.backward()
        train_loss.append(loss.item())
        optimizer.step()
        return train_loss[-1] / len(data)

    return step, None


# ---------------------------------------------- coordinate network (NeRF-like MLP)
class Field(nn.Module):
    def __init__(self, n_freq=8, width=128, depth=6, skip=3):
        super().__init__()
        self.register_buffer("freq", 2.0 ** torch.arange(n_freq))
        d = 3 + 3 * 2 * n_freq
        self.skip = skip
        self.pts = nn.ModuleList(
            [nn.Linear(d, width)]
            + [nn.Linear(width + (d if i == skip else 0), width) for i in range(1, depth)]
        )
        self.sigma = nn.Linear(width, 1)
        self.rgb = nn.Sequential(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 3), nn.Sigmoid()
        )

    def forward(self, xyz):
        ang = (xyz[..., None] * self.freq).flatten(-2)
        e = torch.cat([xyz, ang.sin(), ang.cos()], -1)
        h = e
        for i, layer in enumerate(self.pts):
            if i == self.skip:
                h = torch.cat([h, e], -1)
            h = torch.relu(layer(h))
        return self.rgb(h), F.softplus(self.sigma(h)).squeeze(-1)


def build_field():
    n_rays, n_samples = 96, 24
    field = Field()
    opt = torch.optim.Adam(field.parameters(), lr=5e-4)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9995)

    def render(origins, dirs):
        z = torch.linspace(2.0, 6.0, n_samples).expand(n_rays, n_samples)
        z = z + torch.rand_like(z) * (4.0 / n_samples)
        pts = origins[:, None] + dirs[:, None] * z[..., None]
        rgb, sigma = field(pts.reshape(-1, 3))
        rgb, sigma = rgb.view(n_rays, n_samples, 3), sigma.view(n_rays, n_samples)
        delta = torch.cat([z[:, 1:] - z[:, :-1], torch.full((n_rays, 1), 1e10)], -1)
        alpha = 1 - torch.exp(-sigma * delta)
        trans = torch.cumprod(torch.cat([torch.ones(n_rays, 1), 1 - alpha + 1e-10], -1), -1)[:, :-1]
        return ((alpha * trans)[..., None] * rgb).sum(1)

    def step():
        origins = torch.randn(n_rays, 3)
        dirs = F.normalize(torch.randn(n_rays, 3), dim=-1)
        target = 0.5 + 0.5 * torch.sin(3 * dirs)
        loss = F.mse_loss(render(origins, dirs), target)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        psnr = -10 * math.log10(loss.item() + 1e-12)  # noqa: F841  (printed every 100 iterations)
        return loss.item()

    return step, None


def programs():
    P = Program
    return [
        P(
            name="unet-seg-circles-dice",
            kind="vision",
            arch="U-Net",
            precision="fp32",
            build=build_unet_seg,
        ),
        P(
            name="ddpm-unet-attn-ema",
            kind="diffusion",
            arch="U-Net",
            precision="bf16",
            build=build_ddpm,
        ),
        P(
            name="tabular-embeddings-bn",
            kind="other",
            arch="MLP",
            precision="fp32",
            build=build_tabular,
        ),
        P(name="vae-mnist-example", kind="other", arch="MLP", precision="fp32", build=build_vae),
        P(name="nerf-like-field", kind="other", arch="MLP", precision="fp32", build=build_field),
    ]
