"""Five small decoder language models, each written the way a different person would write it."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.benchmarks.training.programs import Program


# ---------------------------------------------------------------------------
# 1. Character-level GPT, in the "let's build it from scratch" style
# ---------------------------------------------------------------------------
class Head(nn.Module):
    """one head of self-attention"""

    def __init__(self, n_embd, head_size, block_size, dropout):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        _B, T, _C = x.shape
        k = self.key(x)
        q = self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = F.softmax(wei, dim=-1)
        wei = self.dropout(wei)
        return wei @ self.value(x)


class MultiHead(nn.Module):
    def __init__(self, n_embd, n_head, block_size, dropout):
        super().__init__()
        head_size = n_embd // n_head
        self.heads = nn.ModuleList(
            [Head(n_embd, head_size, block_size, dropout) for _ in range(n_head)]
        )
        self.proj = nn.Linear(n_embd, n_embd)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.proj(out))


class CharBlock(nn.Module):
    def __init__(self, n_embd, n_head, block_size, dropout):
        super().__init__()
        self.sa = MultiHead(n_embd, n_head, block_size, dropout)
        self.ffwd = nn.Sequential(
            nn.Linear(n_embd, 4 * n_embd),
            nn.ReLU(),
            nn.Linear(4 * n_embd, n_embd),
            nn.Dropout(dropout),
        )
        self.ln1 = nn.LayerNorm(n_embd)
        self.ln2 = nn.LayerNorm(n_embd)

    def forward(self, x):
        x = x + self.sa(self.ln1(x))
        return x + self.ffwd(self.ln2(x))


class CharGPT(nn.Module):
    def __init__(self, vocab_size, n_embd, n_head, n_layer, block_size, dropout):
        super().__init__()
        self.token_embedding_table = nn.Embedding(vocab_size, n_embd)
        self.position_embedding_table = nn.Embedding(block_size, n_embd)
        self.blocks = nn.Sequential(
            *[CharBlock(n_embd, n_head, block_size, dropout) for _ in range(n_layer)]
        )
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx, targets):
        B, T = idx.shape
        x = self.token_embedding_table(idx) + self.position_embedding_table(torch.arange(T))
        x = self.blocks(x)
        logits = self.lm_head(self.ln_f(x))
        B, T, C = logits.shape
        return F.cross_entropy(logits.view(B * T, C), targets.view(B * T))


def build_char_gpt():
    torch.manual_seed(1337)
    batch_size, block_size, vocab_size = 16, 96, 65
    data = torch.randint(vocab_size, (200_000,))
    model = CharGPT(vocab_size, n_embd=128, n_head=4, n_layer=3, block_size=block_size, dropout=0.2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)

    def get_batch():
        ix = torch.randint(len(data) - block_size, (batch_size,))
        x = torch.stack([data[i : i + block_size] for i in ix])
        y = torch.stack([data[i + 1 : i + block_size + 1] for i in ix])
        return x, y

    def step():
        xb, yb = get_batch()
        loss = model(xb, yb)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, None


# ---------------------------------------------------------------------------
# 2. Llama-like: RMSNorm, rotary, SwiGLU, SDPA, tied embeddings, bf16 autocast
# ---------------------------------------------------------------------------
class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


def precompute_freqs_cis(dim: int, end: int, theta: float = 10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    t = torch.arange(end)
    return torch.polar(torch.ones(end, dim // 2), torch.outer(t, freqs).float())


def apply_rotary_emb(xq, xk, freqs_cis):
    xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
    xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
    freqs_cis = freqs_cis.view(1, xq_.shape[1], 1, xq_.shape[-1])
    xq_out = torch.view_as_real(xq_ * freqs_cis).flatten(3)
    xk_out = torch.view_as_real(xk_ * freqs_cis).flatten(3)
    return xq_out.type_as(xq), xk_out.type_as(xk)


class LlamaAttention(nn.Module):
    def __init__(self, dim, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = dim // n_heads
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, dim, bias=False)
        self.wv = nn.Linear(dim, dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)

    def forward(self, x, freqs_cis):
        bsz, seqlen, _ = x.shape
        xq = self.wq(x).view(bsz, seqlen, self.n_heads, self.head_dim)
        xk = self.wk(x).view(bsz, seqlen, self.n_heads, self.head_dim)
        xv = self.wv(x).view(bsz, seqlen, self.n_heads, self.head_dim)
        xq, xk = apply_rotary_emb(xq, xk, freqs_cis)
        out = F.scaled_dot_product_attention(
            xq.transpose(1, 2), xk.transpose(1, 2), xv.transpose(1, 2), is_causal=True
        )
        out = out.transpose(1, 2).contiguous().view(bsz, seqlen, -1)
        return self.wo(out)


class SwiGLU(nn.Module):
    def __init__(self, dim, multiple_of=32):
        super().__init__()
        hidden = int(2 * 4 * dim / 3)
        hidden = multiple_of * ((hidden + multiple_of - 1) // multiple_of)
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class LlamaBlock(nn.Module):
    def __init__(self, dim, n_heads):
        super().__init__()
        self.attention = LlamaAttention(dim, n_heads)
        self.feed_forward = SwiGLU(dim)
        self.attention_norm = RMSNorm(dim)
        self.ffn_norm = RMSNorm(dim)

    def forward(self, x, freqs_cis):
        h = x + self.attention(self.attention_norm(x), freqs_cis)
        return h + self.feed_forward(self.ffn_norm(h))


class TinyLlama(nn.Module):
    def __init__(self, vocab_size, dim, n_layers, n_heads, max_seq_len):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList([LlamaBlock(dim, n_heads) for _ in range(n_layers)])
        self.norm = RMSNorm(dim)
        self.output = nn.Linear(dim, vocab_size, bias=False)
        self.tok_embeddings.weight = self.output.weight
        self.register_buffer(
            "freqs_cis", precompute_freqs_cis(dim // n_heads, max_seq_len), persistent=False
        )
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, mean=0.0, std=0.02)

    def forward(self, tokens, targets):
        h = self.tok_embeddings(tokens)
        freqs_cis = self.freqs_cis[: tokens.shape[1]]
        for layer in self.layers:
            h = layer(h, freqs_cis)
        logits = self.output(self.norm(h)).float()
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


def build_tiny_llama():
    torch.manual_seed(0)
    bsz, seqlen, vocab = 4, 96, 1024
    model = TinyLlama(vocab, dim=128, n_layers=3, n_heads=4, max_seq_len=seqlen)
    decay = [p for p in model.parameters() if p.dim() >= 2]
    nodecay = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": nodecay, "weight_decay": 0.0}],
        lr=5e-4,
        betas=(0.9, 0.95),
    )
    max_lr, min_lr, warmup, max_iters = 5e-4, 5e-5, 100, 10_000
    it = 0

    def get_lr(i):
        if i < warmup:
            return max_lr * (i + 1) / warmup
        ratio = (i - warmup) / (max_iters - warmup)
        return min_lr + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (max_lr - min_lr)

    def step():
        nonlocal it
        for group in optimizer.param_groups:
            group["lr"] = get_lr(it)
        buf = torch.randint(0, vocab, (bsz, seqlen + 1))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(buf[:, :-1], buf[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        it += 1
        return loss.item()

    return step, None


# ---------------------------------------------------------------------------
# 3. Post-norm decoder made of nn.MultiheadAttention (course exercise)
# ---------------------------------------------------------------------------
class DecoderLayer(nn.Module):
    def __init__(self, d_model, nhead, d_ff):
        super().__init__()
        self.attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.lin1 = nn.Linear(d_model, d_ff)
        self.lin2 = nn.Linear(d_ff, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.act = nn.GELU()

    def forward(self, x, mask):
        # need_weights is left at its default: we plot the maps in the notebook
        a, self.last_map = self.attn(x, x, x, attn_mask=mask)
        self.last_map = self.last_map.detach()
        x = self.norm1(x + a)
        return self.norm2(x + self.lin2(self.act(self.lin1(x))))


class NextTokenModel(nn.Module):
    def __init__(self, n_tokens=256, d_model=96, nhead=4, num_layers=2, max_len=64):
        super().__init__()
        self.embed = nn.Embedding(n_tokens, d_model)
        self.pos = nn.Parameter(torch.randn(1, max_len, d_model) * 0.02)
        self.layers = nn.ModuleList(
            DecoderLayer(d_model, nhead, 3 * d_model) for _ in range(num_layers)
        )
        self.out = nn.Linear(d_model, n_tokens)

    def forward(self, x):
        n = x.size(1)
        mask = torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)
        h = self.embed(x) * math.sqrt(self.embed.embedding_dim) + self.pos[:, :n]
        for layer in self.layers:
            h = layer(h, mask)
        return self.out(h)


def build_mha_decoder():
    net = NextTokenModel()
    criterion = nn.CrossEntropyLoss()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.98))
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 200))
    history = {"loss": [], "acc": []}

    def step():
        net.train()
        # "bytes": a noisy repeating pattern, so that the exercise has something to learn
        base = torch.randint(0, 256, (16, 8)).repeat(1, 9)[:, :65]
        noise = torch.rand(base.shape) < 0.05
        seq = torch.where(noise, torch.randint(0, 256, base.shape), base)
        x, y = seq[:, :-1], seq[:, 1:]
        opt.zero_grad()
        logits = net(x)
        loss = criterion(logits.transpose(1, 2), y)
        loss.backward()
        opt.step()
        sched.step()
        history["loss"].append(loss.item())
        history["acc"].append((logits.argmax(-1) == y).float().mean().item())
        return history["loss"][-1]

    return step, None


# ---------------------------------------------------------------------------
# 4. Parallel blocks, grouped queries, QK-norm, GEGLU, gradient accumulation
# ---------------------------------------------------------------------------
class Rotary(nn.Module):
    def __init__(self, dim, max_len, base=10000):
        super().__init__()
        inv = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim)
        ang = torch.outer(torch.arange(max_len).float(), inv)
        self.register_buffer("cos", torch.cat([ang.cos()] * 2, -1), persistent=False)
        self.register_buffer("sin", torch.cat([ang.sin()] * 2, -1), persistent=False)

    def forward(self, x):  # x: b h t d
        t = x.size(-2)
        x1, x2 = x.chunk(2, dim=-1)
        rot = torch.cat((-x2, x1), dim=-1)
        return (x * self.cos[:t] + rot * self.sin[:t]).to(x.dtype)


class ParallelBlock(nn.Module):
    def __init__(self, d, heads, kv_heads, ff, max_len):
        super().__init__()
        self.h, self.kv, self.hd, self.ff = heads, kv_heads, d // heads, ff
        self.norm = nn.RMSNorm(d)
        # one fused projection: q, k, v and both halves of the gated MLP
        self.splits = [heads * self.hd, kv_heads * self.hd, kv_heads * self.hd, 2 * ff]
        self.inp = nn.Linear(d, sum(self.splits), bias=False)
        self.attn_out = nn.Linear(d, d, bias=False)
        self.ff_out = nn.Linear(ff, d, bias=False)
        self.q_norm = nn.RMSNorm(self.hd)
        self.k_norm = nn.RMSNorm(self.hd)
        self.rotary = Rotary(self.hd, max_len)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v, gu = self.inp(self.norm(x)).split(self.splits, dim=-1)
        q = self.rotary(self.q_norm(q.view(b, t, self.h, self.hd).transpose(1, 2)))
        k = self.rotary(self.k_norm(k.view(b, t, self.kv, self.hd).transpose(1, 2)))
        v = v.view(b, t, self.kv, self.hd).transpose(1, 2)
        rep = self.h // self.kv
        k = k.repeat_interleave(rep, dim=1)
        v = v.repeat_interleave(rep, dim=1)
        a = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        a = a.transpose(1, 2).reshape(b, t, d)
        gate, up = gu.chunk(2, dim=-1)
        return x + self.attn_out(a) + self.ff_out(F.gelu(gate, approximate="tanh") * up)


def build_parallel_gqa():
    torch.manual_seed(42)
    vocab, d, layers, T, micro, accum = 512, 128, 3, 80, 2, 4
    wte = nn.Embedding(vocab, d)
    body = nn.Sequential(*[ParallelBlock(d, 4, 2, 256, T) for _ in range(layers)], nn.RMSNorm(d))
    head = nn.Linear(d, vocab, bias=False)
    nn.init.normal_(wte.weight, std=0.02)
    nn.init.zeros_(head.weight)
    params = [*wte.parameters(), *body.parameters(), *head.parameters()]
    opt = torch.optim.AdamW(params, lr=1e-3, weight_decay=0.05, fused=True)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=1000)
    corpus = torch.randint(vocab, (1_000_000,))

    def step():
        total = 0.0
        for _ in range(accum):
            start = torch.randint(0, corpus.numel() - T - 1, (micro, 1))
            chunk = corpus[start + torch.arange(T + 1)]
            x, y = chunk[:, :-1], chunk[:, 1:]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = head(body(wte(x)))
                logits = 15 * torch.tanh(logits / 15)  # soft cap
                loss = F.cross_entropy(logits.flatten(0, 1), y.flatten()) / accum
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        sched.step()
        opt.zero_grad(set_to_none=True)
        return total

    return step, None


# ---------------------------------------------------------------------------
# 5. The "language modeling with nn.TransformerEncoder" tutorial
# ---------------------------------------------------------------------------
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        x = x + self.pe[: x.size(0)]
        return self.dropout(x)


class TransformerModel(nn.Module):
    def __init__(self, ntoken, d_model, nhead, d_hid, nlayers, dropout=0.5):
        super().__init__()
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        encoder_layers = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout)
        self.transformer_encoder = nn.TransformerEncoder(encoder_layers, nlayers)
        self.embedding = nn.Embedding(ntoken, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, ntoken)
        self.init_weights()

    def init_weights(self):
        initrange = 0.1
        self.embedding.weight.data.uniform_(-initrange, initrange)
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-initrange, initrange)

    def forward(self, src, src_mask):
        src = self.embedding(src) * math.sqrt(self.d_model)
        src = self.pos_encoder(src)
        output = self.transformer_encoder(src, src_mask)
        return self.linear(output)


def build_word_lm():
    ntokens, bptt, batch_size = 6000, 35, 20
    model = TransformerModel(ntokens, d_model=200, nhead=2, d_hid=200, nlayers=2, dropout=0.2)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 500, gamma=0.95)
    train_data = torch.randint(ntokens, (4000, batch_size))
    src_mask = nn.Transformer.generate_square_subsequent_mask(bptt)
    pos = 0
    model.train()

    def step():
        nonlocal pos
        if pos + bptt + 1 > len(train_data):
            pos = 0
        data = train_data[pos : pos + bptt]
        targets = train_data[pos + 1 : pos + 1 + bptt].reshape(-1)
        pos += bptt
        output = model(data, src_mask)
        loss = criterion(output.view(-1, ntokens), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        return loss.item()

    return step, None


def programs():
    return [
        Program(
            name="chargpt-per-head-loop",
            kind="language",
            arch="decoder",
            precision="fp32",
            build=build_char_gpt,
        ),
        Program(
            name="tiny-llama-rope-swiglu-tied",
            kind="language",
            arch="decoder",
            precision="bf16",
            build=build_tiny_llama,
        ),
        Program(
            name="postnorm-mha-byte-decoder",
            kind="language",
            arch="decoder",
            precision="fp32",
            build=build_mha_decoder,
        ),
        Program(
            name="parallel-gqa-geglu-accum4",
            kind="language",
            arch="decoder",
            precision="bf16",
            build=build_parallel_gqa,
        ),
        Program(
            name="word-lm-transformer-tutorial",
            kind="language",
            arch="decoder",
            precision="fp32",
            build=build_word_lm,
        ),
    ]
