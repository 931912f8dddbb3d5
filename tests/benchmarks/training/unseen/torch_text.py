"""Text encoders, a translation model, and recurrent nets for text and speech."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.training.programs import Program

PAD, BOS, EOS, MASK = 0, 1, 2, 3


# ------------------------------------------------------------ BERT, masked LM
class BertSelfAttention(nn.Module):
    def __init__(self, hidden, heads, dropout):
        super().__init__()
        self.num_attention_heads = heads
        self.attention_head_size = hidden // heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def split(self, x):
        new = (*x.size()[:-1], self.num_attention_heads, self.attention_head_size)
        return x.view(*new).permute(0, 2, 1, 3)

    def forward(self, hidden_states, attention_mask):
        q = self.split(self.query(hidden_states))
        k = self.split(self.key(hidden_states))
        v = self.split(self.value(hidden_states))
        scores = torch.matmul(q, k.transpose(-1, -2)) / self.attention_head_size**0.5
        scores = scores + attention_mask
        probs = self.dropout(F.softmax(scores, dim=-1))
        context = torch.matmul(probs.to(v.dtype), v).permute(0, 2, 1, 3).contiguous()
        return context.flatten(2)


class BertLayer(nn.Module):
    def __init__(self, hidden, heads, intermediate, dropout):
        super().__init__()
        self.self_attn = BertSelfAttention(hidden, heads, dropout)
        self.attn_out = nn.Linear(hidden, hidden)
        self.attn_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.inter = nn.Linear(hidden, intermediate)
        self.out = nn.Linear(intermediate, hidden)
        self.out_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask):
        a = self.dropout(self.attn_out(self.self_attn(x, mask)))
        x = self.attn_norm(a + x)
        h = self.dropout(self.out(F.gelu(self.inter(x))))
        return self.out_norm(h + x)


class BertForMaskedLM(nn.Module):
    def __init__(self, vocab=1000, hidden=96, layers=3, heads=4, max_len=64, dropout=0.1):
        super().__init__()
        self.word = nn.Embedding(vocab, hidden, padding_idx=PAD)
        self.position = nn.Embedding(max_len, hidden)
        self.segment = nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            [BertLayer(hidden, heads, 4 * hidden, dropout) for _ in range(layers)]
        )
        self.transform = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden, eps=1e-12)
        )
        self.decoder_bias = nn.Parameter(torch.zeros(vocab))
        self.apply(self._init)

    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            m.weight.data.normal_(0.0, 0.02)

    def forward(self, ids, segments, attention_mask, labels):
        pos = torch.arange(ids.size(1)).expand_as(ids)
        x = self.word(ids) + self.position(pos) + self.segment(segments)
        x = self.drop(self.norm(x))
        ext = (1.0 - attention_mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, ext)
        logits = F.linear(self.transform(x), self.word.weight, self.decoder_bias)
        return F.cross_entropy(
            logits.view(-1, logits.size(-1)).float(), labels.view(-1), ignore_index=-100
        )


def build_bert_mlm():
    vocab, B, L = 1000, 6, 40
    model = BertForMaskedLM(vocab)
    no_decay = ("bias", "norm")
    groups = [
        {
            "params": [p for n, p in model.named_parameters() if not any(k in n for k in no_decay)],
            "weight_decay": 0.01,
        },
        {
            "params": [p for n, p in model.named_parameters() if any(k in n for k in no_decay)],
            "weight_decay": 0.0,
        },
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, eps=1e-6)
    total, warm = 2000, 100
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else max(0.0, (total - s) / (total - warm))
    )

    def collate():
        ids = torch.randint(4, vocab, (B, L))
        lengths = torch.randint(L // 2, L + 1, (B,))
        attn = (torch.arange(L)[None] < lengths[:, None]).long()
        ids = ids * attn
        segments = (torch.arange(L)[None] >= (lengths // 2)[:, None]).long()
        labels = ids.clone()
        prob = torch.full(labels.shape, 0.15).masked_fill_(attn == 0, 0.0)
        masked = torch.bernoulli(prob).bool()
        labels[~masked] = -100
        replaced = torch.bernoulli(torch.full(labels.shape, 0.8)).bool() & masked
        ids[replaced] = MASK
        rnd = torch.bernoulli(torch.full(labels.shape, 0.5)).bool() & masked & ~replaced
        words = torch.randint(4, vocab, labels.shape)
        ids[rnd] = words[rnd]
        return ids, segments, attn, labels

    model.train()

    def step():
        batch = collate()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(*batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        model.zero_grad()
        return loss.item()

    return step, None


# --------------------------------------------------- sentence classification
class SentimentClassifier(nn.Module):
    def __init__(self, vocab_size, num_classes=4, dim=128, depth=2, heads=4, max_len=64):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, dim, padding_idx=PAD)
        self.pos = nn.Embedding(max_len, dim)
        layer = nn.TransformerEncoderLayer(
            dim,
            heads,
            dim_feedforward=2 * dim,
            dropout=0.1,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, tokens):
        pad = tokens.eq(PAD)
        x = self.tok(tokens) + self.pos.weight[: tokens.size(1)]
        x = self.encoder(x, src_key_padding_mask=pad)
        keep = (~pad).unsqueeze(-1).to(x.dtype)
        pooled = (x * keep).sum(1) / keep.sum(1).clamp(min=1)
        return self.fc(self.norm(pooled))


class RunningMean:
    def __init__(self):
        self.total, self.n = 0.0, 0

    def update(self, value, k=1):
        self.total += value * k
        self.n += k

    @property
    def value(self):
        return self.total / max(self.n, 1)


def build_sentiment():
    vocab_size, batch, length = 6000, 16, 48
    model = SentimentClassifier(vocab_size)
    loss_fn = nn.CrossEntropyLoss()
    optim = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-5)
    acc = RunningMean()

    def fake_batch():
        sents = [
            torch.randint(4, vocab_size, (int(n),)) for n in torch.randint(10, length, (batch - 1,))
        ]
        sents.append(torch.randint(4, vocab_size, (length,)))
        x = nn.utils.rnn.pad_sequence(sents, batch_first=True, padding_value=PAD)
        y = torch.randint(0, 4, (batch,))
        return x, y

    def step():
        model.train()
        x, y = fake_batch()
        out = model(x)
        loss = loss_fn(out, y)
        optim.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 1.0)
        optim.step()
        acc.update((out.argmax(1) == y).float().mean().item(), len(y))
        return loss.item()

    return step, None


# -------------------------------------------------------------- translation
class Seq2SeqTransformer(nn.Module):
    def __init__(self, src_vocab, tgt_vocab, d, heads, enc, dec, ff, dropout=0.1):
        super().__init__()
        self.src_emb = nn.Embedding(src_vocab, d, padding_idx=PAD)
        self.tgt_emb = nn.Embedding(tgt_vocab, d, padding_idx=PAD)
        self.scale = d**0.5
        self.drop = nn.Dropout(dropout)
        self.transformer = nn.Transformer(
            d_model=d,
            nhead=heads,
            num_encoder_layers=enc,
            num_decoder_layers=dec,
            dim_feedforward=ff,
            dropout=dropout,
            batch_first=True,
        )
        self.generator = nn.Linear(d, tgt_vocab)
        pos = torch.arange(256).float()[:, None]
        freq = 10000 ** (-torch.arange(0, d, 2).float() / d)
        pe = torch.stack((torch.sin(pos * freq), torch.cos(pos * freq)), -1).flatten(1)
        self.register_buffer("pe", pe)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def embed(self, table, x):
        return self.drop(table(x) * self.scale + self.pe[: x.size(1)])

    def forward(self, src, tgt):
        src_pad, tgt_pad = src == PAD, tgt == PAD
        causal = torch.triu(torch.ones(tgt.size(1), tgt.size(1), dtype=torch.bool), 1)
        h = self.transformer(
            self.embed(self.src_emb, src),
            self.embed(self.tgt_emb, tgt),
            tgt_mask=causal,
            src_key_padding_mask=src_pad,
            tgt_key_padding_mask=tgt_pad,
            memory_key_padding_mask=src_pad,
        )
        return self.generator(h)


def build_translation():
    torch.manual_seed(3)
    SRC, TGT, B, S, T, D = 4000, 5000, 24, 40, 36, 192
    model = Seq2SeqTransformer(SRC, TGT, D, 4, 3, 3, 512)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
    opt = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    warmup = 400
    noam = torch.optim.lr_scheduler.LambdaLR(
        opt, lambda s: D**-0.5 * min((s + 1) ** -0.5, (s + 1) * warmup**-1.5)
    )

    def sentences(vocab, n, longest):
        x = torch.randint(4, vocab, (n, longest))
        lens = torch.randint(longest * 2 // 3, longest, (n, 1))
        lens[0] = longest - 1
        ar = torch.arange(longest)
        x[ar.expand_as(x) > lens] = PAD
        x.scatter_(1, lens, EOS)
        x[:, 0] = BOS
        return x

    model.train()

    def step():
        src = sentences(SRC, B, S)
        tgt = sentences(TGT, B, T + 1)
        logits = model(src, tgt[:, :-1])
        loss = criterion(logits.reshape(-1, TGT), tgt[:, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
        noam.step()
        return loss.item()

    return step, None


# ----------------------------------------------- LSTM language model (PTB)
class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.nhid, self.nlayers, self.ntoken = nhid, nlayers, ntoken

    def forward(self, inp, hidden):
        emb = self.drop(self.encoder(inp))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def build_lstm_lm():
    ntokens, bsz, bptt, lr, clip = 5000, 20, 35, 2.0, 0.25
    model = RNNModel(ntokens, 200, 200, 2)
    criterion = nn.NLLLoss()
    corpus = torch.randint(ntokens, (3501, bsz))
    state = {"hidden": model.init_hidden(bsz), "i": 0}
    model.train()

    def step():
        if state["i"] + bptt >= corpus.size(0):
            state["i"], state["hidden"] = 0, model.init_hidden(bsz)
        i = state["i"]
        data, targets = corpus[i : i + bptt], corpus[i + 1 : i + 1 + bptt].view(-1)
        model.zero_grad()
        hidden = repackage_hidden(state["hidden"])
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        state["hidden"], state["i"] = hidden, i + bptt
        return loss.item()

    return step, None


# --------------------------------- acoustic model: conv + BiGRU + CTC (speech)
class DeepSpeechLite(nn.Module):
    def __init__(self, n_mels=64, channels=24, rnn_dim=160, rnn_layers=2, n_classes=29):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=(11, 7), stride=(2, 2), padding=(5, 3), bias=False),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, 20, inplace=True),
            nn.Conv2d(
                channels, channels, kernel_size=(7, 5), stride=(2, 1), padding=(3, 2), bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, 20, inplace=True),
        )
        self.rnn = nn.GRU(
            channels * (n_mels // 4), rnn_dim, rnn_layers, batch_first=True, bidirectional=True
        )
        self.classifier = nn.Sequential(
            nn.LayerNorm(2 * rnn_dim), nn.Dropout(0.1), nn.Linear(2 * rnn_dim, n_classes)
        )

    def forward(self, spec):  # (B, 1, mel, time)
        x = self.cnn(spec)
        b, c, f, t = x.shape
        x = x.view(b, c * f, t).transpose(1, 2)
        x, _ = self.rnn(x)
        return F.log_softmax(self.classifier(x), dim=-1)


def spec_augment(spec, freq=12, time=20):
    f0 = int(torch.randint(0, spec.size(2) - freq, ()))
    t0 = int(torch.randint(0, spec.size(3) - time, ()))
    spec[:, :, f0 : f0 + freq] = 0
    spec[..., t0 : t0 + time] = 0
    return spec


def build_gru_ctc():
    B, MEL, FRAMES = 8, 64, 160
    model = DeepSpeechLite(MEL)
    ctc = nn.CTCLoss(blank=28, zero_infinity=True)
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1e-3, total_steps=5000)
    model.train()

    def step():
        spec = spec_augment(torch.randn(B, 1, MEL, FRAMES))
        targets = torch.randint(0, 28, (B, 24))
        target_lengths = torch.randint(12, 25, (B,))
        log_probs = model(spec).transpose(0, 1)
        input_lengths = torch.full((B,), log_probs.size(0), dtype=torch.long)
        loss = ctc(log_probs, targets, input_lengths, target_lengths)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        sched.step()
        return loss.item()

    return step, None


def programs():
    def entry(name, kind, arch, precision, build):
        return Program(name=name, kind=kind, arch=arch, precision=precision, build=build)

    return [
        entry("bert-mini-masked-lm", "language", "encoder", "bf16", build_bert_mlm),
        entry("sentiment-transformer-encoder", "language", "encoder", "fp32", build_sentiment),
        entry(
            "translation-nn-transformer-noam",
            "language",
            "encoder-decoder transformer",
            "fp32",
            build_translation,
        ),
        entry("lstm-word-lm-tied-bptt35", "language", "LSTM", "fp32", build_lstm_lm),
        entry("deepspeech-lite-bigru-ctc", "speech", "GRU", "fp32", build_gru_ctc),
    ]
