"""Image classifiers: two vision transformers and five conv nets, random images."""

from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim

from tests.benchmarks.training.programs import Program


# ===========================================================================
# Small ViT with a class token, einops-free port of a well-known repository
# ===========================================================================
class FeedForward(nn.Module):
    def __init__(self, dim, hidden_dim, dropout=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        return self.net(x)


class Attention(nn.Module):
    def __init__(self, dim, heads=8, dim_head=64, dropout=0.0):
        super().__init__()
        inner_dim = dim_head * heads
        self.heads = heads
        self.scale = dim_head**-0.5
        self.norm = nn.LayerNorm(dim)
        self.attend = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout)
        self.to_qkv = nn.Linear(dim, inner_dim * 3, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner_dim, dim), nn.Dropout(dropout))

    def forward(self, x):
        x = self.norm(x)
        b, n, _ = x.shape
        qkv = self.to_qkv(x).chunk(3, dim=-1)
        q, k, v = (t.reshape(b, n, self.heads, -1).transpose(1, 2) for t in qkv)
        dots = torch.einsum("bhid,bhjd->bhij", q, k) * self.scale
        attn = self.dropout(self.attend(dots))
        out = torch.einsum("bhij,bhjd->bhid", attn, v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, -1))


class ViT(nn.Module):
    def __init__(self, image_size, patch, classes, dim, depth, heads, mlp_dim, dim_head, dropout):
        super().__init__()
        self.patch = patch
        n = (image_size // patch) ** 2
        pd = 3 * patch * patch
        self.to_patch_embedding = nn.Sequential(
            nn.LayerNorm(pd), nn.Linear(pd, dim), nn.LayerNorm(dim)
        )
        self.pos_embedding = nn.Parameter(torch.randn(1, n + 1, dim))
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList([])
        for _ in range(depth):
            self.layers.append(
                nn.ModuleList(
                    [
                        Attention(dim, heads, dim_head, dropout),
                        FeedForward(dim, mlp_dim, dropout),
                    ]
                )
            )
        self.norm = nn.LayerNorm(dim)
        self.mlp_head = nn.Linear(dim, classes)

    def forward(self, img):
        b, c, h, w = img.shape
        p = self.patch
        x = img.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        x = self.to_patch_embedding(x.reshape(b, -1, p * p * c))
        x = torch.cat((self.cls_token.repeat(b, 1, 1), x), dim=1)
        x = self.dropout(x + self.pos_embedding)
        for attn, ff in self.layers:
            x = attn(x) + x
            x = ff(x) + x
        return self.mlp_head(self.norm(x)[:, 0])


def vit_cls():
    device = torch.device("cpu")
    model = ViT(32, 4, 10, dim=128, depth=4, heads=4, mlp_dim=256, dim_head=32, dropout=0.1).to(
        device
    )
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()

    def train_step():
        images = torch.rand(16, 3, 32, 32, device=device)
        if torch.rand(()) < 0.5:
            images = images.flip(-1)
        images = (images - 0.5) / 0.25
        labels = torch.randint(0, 10, (16,), device=device)
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        _, predicted = outputs.max(1)
        correct = predicted.eq(labels).sum().item()  # noqa: F841  (for the progress bar)
        return loss.item()

    return train_step, None


# ===========================================================================
# timm-flavoured ViT: conv patch embed, SDPA, LayerScale, stochastic depth, GAP
# ===========================================================================
def drop_path(x: Tensor, p: float, training: bool) -> Tensor:
    if p == 0.0 or not training:
        return x
    keep = 1 - p
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep).div_(keep)
    return x * mask


class TimmBlock(nn.Module):
    def __init__(self, dim: int, heads: int, mlp_ratio: float, dp: float, init: float = 1e-5):
        super().__init__()
        self.heads, self.dp = heads, dp
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)
        self.gamma1 = nn.Parameter(init * torch.ones(dim))
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.fc1 = nn.Linear(dim, int(dim * mlp_ratio))
        self.fc2 = nn.Linear(int(dim * mlp_ratio), dim)
        self.gamma2 = nn.Parameter(init * torch.ones(dim))

    def attn(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(B, N, C))

    def forward(self, x: Tensor) -> Tensor:
        x = x + drop_path(self.gamma1 * self.attn(self.norm1(x)), self.dp, self.training)
        mlp = self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return x + drop_path(self.gamma2 * mlp, self.dp, self.training)


class VisionTransformer(nn.Module):
    def __init__(self, img=32, patch=4, dim=96, depth=4, heads=3, classes=100, dpr=0.1):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, patch, stride=patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, (img // patch) ** 2, dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        rates = [float(r) for r in torch.linspace(0, dpr, depth)]
        self.blocks = nn.Sequential(*[TimmBlock(dim, heads, 4.0, r) for r in rates])
        self.fc_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = self.blocks(x + self.pos_embed)
        return self.head(self.fc_norm(x.mean(dim=1)))


def vit_sdpa_bf16():
    torch.manual_seed(11)
    batch, classes = 8, 100
    model = VisionTransformer(classes=classes)
    opt = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    sched = optim.lr_scheduler.SequentialLR(
        opt,
        [
            optim.lr_scheduler.LinearLR(opt, 0.01, 1.0, total_iters=50),
            optim.lr_scheduler.CosineAnnealingLR(opt, 1000),
        ],
        milestones=[50],
    )
    model.train()

    def mixup(x, y, alpha=0.8):
        lam = float(torch.distributions.Beta(alpha, alpha).sample())
        perm = torch.randperm(x.size(0))
        y1 = F.one_hot(y, classes).float()
        return lam * x + (1 - lam) * x[perm], lam * y1 + (1 - lam) * y1[perm]

    def step():
        x, y = mixup(torch.randn(batch, 3, 32, 32), torch.randint(classes, (batch,)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), y)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        return loss.item()

    return step, None


# ===========================================================================
# CIFAR ResNet-18 (kuangliu style)
# ===========================================================================
class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, width=32, num_classes=10):
        super().__init__()
        self.in_planes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._make_layer(block, width, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 2 * width, num_blocks[1], stride=2)
        self.layer3 = self._make_layer(block, 4 * width, num_blocks[2], stride=2)
        self.layer4 = self._make_layer(block, 8 * width, num_blocks[3], stride=2)
        self.linear = nn.Linear(8 * width * block.expansion, num_classes)

    def _make_layer(self, block, planes, num_blocks, stride):
        layers = []
        for s in [stride] + [1] * (num_blocks - 1):
            layers.append(block(self.in_planes, planes, s))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer1(out)
        out = self.layer2(out)
        out = self.layer3(out)
        out = self.layer4(out)
        out = F.avg_pool2d(out, 4)
        out = out.view(out.size(0), -1)
        return self.linear(out)


def random_crop_flip(x, pad=4):
    n, _c, h, w = x.shape
    padded = F.pad(x, (pad,) * 4)
    out = torch.empty_like(x)
    for i in range(n):
        dy, dx = torch.randint(0, 2 * pad + 1, (2,)).tolist()
        crop = padded[i, :, dy : dy + h, dx : dx + w]
        out[i] = crop.flip(-1) if torch.rand(1).item() < 0.5 else crop
    return out


def resnet18_cifar():
    net = ResNet(BasicBlock, [2, 2, 2, 2])
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=4000)
    data = torch.rand(512, 3, 32, 32)
    labels = torch.randint(0, 10, (512,))
    stats = {"correct": 0, "total": 0}

    def step():
        net.train()
        idx = torch.randint(0, 512, (48,))
        inputs, targets = random_crop_flip(data[idx]), labels[idx]
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        _, predicted = outputs.max(1)
        stats["total"] += targets.size(0)
        stats["correct"] += predicted.eq(targets).sum().item()
        return loss.item()

    return step, None


# ===========================================================================
# VGG with batch norm from a config list
# ===========================================================================
CFG = [16, "M", 32, "M", 64, 64, "M", 96, 96, "M"]


def make_vgg(cfg, num_classes):
    layers, c = [], 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(c, v, 3, padding=1), nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            c = v
    classifier = [
        nn.Flatten(),
        nn.Linear(c * 4, 256),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(256, 256),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(256, num_classes),
    ]
    return nn.Sequential(*layers, *classifier)


def vgg_bf16():
    vgg = make_vgg(CFG, 20)
    opt = optim.SGD(vgg.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    sched = optim.lr_scheduler.MultiStepLR(opt, [300, 600], gamma=0.1)

    def step():
        x = torch.randn(6, 3, 32, 32)
        y = torch.randint(20, (6,))
        opt.zero_grad()
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(vgg(x), y)
        loss.backward()
        opt.step()
        sched.step()
        return loss.item()

    return step, None


# ===========================================================================
# DenseNet-BC, after the torchvision source
# ===========================================================================
class _DenseLayer(nn.Module):
    def __init__(self, num_input_features, growth_rate, bn_size, drop_rate):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, features):
        x = torch.cat(features, 1)
        x = self.conv1(self.relu1(self.norm1(x)))
        x = self.conv2(self.relu2(self.norm2(x)))
        if self.drop_rate > 0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x


class _DenseBlock(nn.ModuleDict):
    def __init__(self, num_layers, num_input_features, growth_rate, bn_size=4, drop_rate=0.0):
        super().__init__()
        for i in range(num_layers):
            self.add_module(
                f"denselayer{i + 1}",
                _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate),
            )

    def forward(self, init_features):
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


def _transition(cin, cout):
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(cin),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(cin, cout, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(2, 2),
        )
    )


class DenseNet(nn.Module):
    def __init__(self, growth=12, blocks=(4, 4, 4), init=24, drop_rate=0.1, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict([("conv0", nn.Conv2d(3, init, 3, padding=1, bias=False))])
        )
        n = init
        for i, num_layers in enumerate(blocks):
            self.features.add_module(
                f"denseblock{i + 1}", _DenseBlock(num_layers, n, growth, 4, drop_rate)
            )
            n += num_layers * growth
            if i != len(blocks) - 1:
                self.features.add_module(f"transition{i + 1}", _transition(n, n // 2))
                n //= 2
        self.features.add_module("norm_final", nn.BatchNorm2d(n))
        self.classifier = nn.Linear(n, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)

    def forward(self, x):
        x = F.relu(self.features(x), inplace=True)
        x = F.adaptive_avg_pool2d(x, (1, 1))
        return self.classifier(torch.flatten(x, 1))


class Trainer:
    def __init__(self, model, optimizer, criterion, make_batch, log_every=10):
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.make_batch, self.log_every = make_batch, log_every
        self.iteration, self.log = 0, []

    def train_one(self):
        self.model.train()
        x, y = self.make_batch()
        logits = self.model(x)
        loss = self.criterion(logits, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.iteration += 1
        value = loss.item()
        with torch.no_grad():
            top5 = logits.topk(5, dim=1).indices
            acc1 = (top5[:, 0] == y).float().mean().item()
            acc5 = (top5 == y[:, None]).any(1).float().mean().item()
        if self.iteration % self.log_every == 0:
            self.log.append((self.iteration, value, acc1, acc5))
        return value


def densenet_rmsprop():
    model = DenseNet()
    trainer = Trainer(
        model,
        optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, momentum=0.9),
        nn.CrossEntropyLoss(),
        lambda: (torch.randn(24, 3, 32, 32), torch.randint(10, (24,))),
    )
    return trainer.train_one, None


# ===========================================================================
# MobileNetV2
# ===========================================================================
def conv_bn(inp, oup, k, stride=1, groups=1, act=True):
    mods = [
        nn.Conv2d(inp, oup, k, stride, (k - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(oup),
    ]
    if act:
        mods.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*mods)


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(conv_bn(inp, hidden, 1))
        layers += [conv_bn(hidden, hidden, 3, stride, hidden), conv_bn(hidden, oup, 1, act=False)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def mobilenet_v2(num_classes=50, width=0.5):
    setting = [  # t, c, n, s
        [1, 16, 1, 1],
        [6, 24, 2, 2],
        [6, 32, 2, 2],
        [6, 64, 3, 2],
        [6, 96, 2, 1],
        [6, 160, 2, 2],
    ]
    c = int(32 * width)
    feats = [conv_bn(3, c, 3, 2)]
    for t, ch, n, s in setting:
        out = int(ch * width)
        for i in range(n):
            feats.append(InvertedResidual(c, out, s if i == 0 else 1, t))
            c = out
    feats.append(conv_bn(c, 640, 1))
    return nn.Sequential(
        *feats, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(640, num_classes)
    )


def mobilenet_train():
    model = mobilenet_v2()
    crit = nn.CrossEntropyLoss(label_smoothing=0.1)
    opt = optim.RMSprop(
        model.parameters(), lr=0.001, alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=4e-5
    )
    sched = optim.lr_scheduler.ExponentialLR(opt, 0.999)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def augment(x):
        x = torch.where(torch.rand(x.size(0), 1, 1, 1) < 0.5, x.flip(3), x)
        brightness = 1 + 0.4 * (torch.rand(x.size(0), 1, 1, 1) - 0.5)
        return ((x * brightness).clamp_(0, 1) - mean) / std

    def step():
        model.train()
        images = torch.randint(0, 256, (16, 3, 96, 96), dtype=torch.uint8).float().div_(255)
        target = torch.randint(0, 50, (16,))
        loss = crit(model(augment(images)), target)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        return loss.item()

    return step, None


# ===========================================================================
# ConvNeXt
# ===========================================================================
class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim, dp=0.0, layer_scale=1e-6):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale * torch.ones(dim))
        self.dp = dp

    def forward(self, x):
        shortcut = x
        x = self.dwconv(x).permute(0, 2, 3, 1)
        x = self.pwconv2(F.gelu(self.pwconv1(self.norm(x))))
        x = (self.gamma * x).permute(0, 3, 1, 2)
        return shortcut + drop_path(x, self.dp, self.training)


class ConvNeXt(nn.Module):
    def __init__(self, classes=10, depths=(1, 1, 2, 1), dims=(24, 48, 96, 192)):
        super().__init__()
        stages = [nn.Conv2d(3, dims[0], 4, stride=4), LayerNorm2d(dims[0], eps=1e-6)]
        for i, (depth, dim) in enumerate(zip(depths, dims, strict=False)):
            if i:
                stages += [
                    LayerNorm2d(dims[i - 1], eps=1e-6),
                    nn.Conv2d(dims[i - 1], dim, kernel_size=2, stride=2),
                ]
            stages += [ConvNeXtBlock(dim, dp=0.02 * i) for _ in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(dims[-1], eps=1e-6)
        self.head = nn.Linear(dims[-1], classes)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.head(self.norm(self.stages(x).mean([-2, -1])))


def convnext_bf16():
    model = ConvNeXt()
    opt = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def step():
        x = torch.randn(6, 3, 64, 64)
        y = torch.randint(10, (6,))
        opt.zero_grad()
        with torch.amp.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x)
            loss = F.cross_entropy(logits, y, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        opt.step()
        with torch.no_grad():
            for k, v in model.state_dict().items():
                ema[k].mul_(0.999).add_(v, alpha=0.001)
        return loss.item()

    return step, None


def programs():
    table = [
        ("vit-cls-token-cifar", "ViT", "fp32", vit_cls),
        ("vit-sdpa-layerscale-mixup", "ViT", "bf16", vit_sdpa_bf16),
        ("resnet18-half-width-cifar", "ResNet", "fp32", resnet18_cifar),
        ("vgg-bn-small", "CNN", "bf16", vgg_bf16),
        ("densenet-bc-k12", "CNN", "fp32", densenet_rmsprop),
        ("mobilenetv2-half-96px", "MobileNet", "fp32", mobilenet_train),
        ("convnext-nano-ema", "depthwise CNN", "bf16", convnext_bf16),
    ]
    return [
        Program(name=name, kind="vision", arch=arch, precision=precision, build=build)
        for name, arch, precision, build in table
    ]
