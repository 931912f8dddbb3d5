"""Two training loops written by hand in numpy: an MLP with Adam, and a vanilla RNN (BPTT)."""

import itertools

import numpy as np

from tests.benchmarks.training.programs import Program


# --------------------------------------------------------------- MLP classifier
def relu(z):
    return np.maximum(z, 0)


def softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


class NumpyMLP:
    def __init__(self, sizes, lr=1e-3, l2=1e-4, seed=0):
        rng = np.random.default_rng(seed)
        self.sizes = sizes
        self.W = [
            (rng.standard_normal((a, b)) * np.sqrt(2.0 / a)).astype(np.float32)
            for a, b in itertools.pairwise(sizes)
        ]
        self.b = [np.zeros(n, dtype=np.float32) for n in sizes[1:]]
        self.lr, self.l2 = lr, l2
        self.m = [np.zeros_like(p) for p in self.W + self.b]
        self.v = [np.zeros_like(p) for p in self.W + self.b]
        self.t = 0

    def forward(self, X):
        acts = [X]
        for i, (W, b) in enumerate(zip(self.W, self.b, strict=False)):
            z = acts[-1] @ W + b
            acts.append(z if i == len(self.W) - 1 else relu(z))
        return acts

    def backward(self, acts, y):
        n = len(y)
        probs = softmax(acts[-1])
        loss = -np.log(probs[np.arange(n), y] + 1e-12).mean()
        delta = probs
        delta[np.arange(n), y] -= 1
        delta /= n
        dW, db = [None] * len(self.W), [None] * len(self.b)
        for i in reversed(range(len(self.W))):
            dW[i] = acts[i].T @ delta + self.l2 * self.W[i]
            db[i] = delta.sum(axis=0)
            if i > 0:
                delta = (delta @ self.W[i].T) * (acts[i] > 0)
        return loss, dW + db

    def adam(self, grads, b1=0.9, b2=0.999, eps=1e-8):
        self.t += 1
        step = self.lr * np.sqrt(1 - b2**self.t) / (1 - b1**self.t)
        for p, g, m, v in zip(self.W + self.b, grads, self.m, self.v, strict=False):
            m *= b1
            m += (1 - b1) * g
            v *= b2
            v += (1 - b2) * g * g
            p -= step * m / (np.sqrt(v) + eps)


def build_mlp():
    batch, sizes = 256, [784, 512, 512, 256, 10]
    net = NumpyMLP(sizes)
    rng = np.random.default_rng(1)
    X = rng.random((6000, 784), dtype=np.float32)
    y = rng.integers(0, 10, 6000)

    def step():
        idx = rng.integers(0, len(X), batch)
        xb, yb = X[idx], y[idx]
        acts = net.forward(xb)
        loss, grads = net.backward(acts, yb)
        net.adam(grads)
        return float(loss)

    # forward, weight gradient, and input gradient (not for the first layer)
    products = [a * b for a, b in itertools.pairwise(sizes)]
    flop = 2 * batch * (3 * sum(products) - products[0])
    return step, flop


# ------------------------------------------------ char RNN, Adagrad
def build_char_rnn():
    """A batched version of the well-known minimal character RNN."""
    vocab_size, hidden_size, seq_length, B = 64, 256, 32, 32
    learning_rate = 1e-2
    f4 = np.float32
    rng = np.random.RandomState(7)
    data = rng.randint(0, vocab_size, size=(B, 20_000))

    P = {
        "Wxh": rng.randn(vocab_size, hidden_size).astype(f4) * 0.01,
        "Whh": rng.randn(hidden_size, hidden_size).astype(f4) * 0.01,
        "Why": rng.randn(hidden_size, vocab_size).astype(f4) * 0.01,
        "bh": np.zeros(hidden_size, f4),
        "by": np.zeros(vocab_size, f4),
    }
    mem = {k: np.zeros_like(w) for k, w in P.items()}
    state = {"h": np.zeros((B, hidden_size), f4), "p": 0}
    eye = np.eye(vocab_size, dtype=f4)

    def loss_fun(inputs, targets, hprev):
        xs, hs, ps = {}, {-1: hprev}, {}
        loss = 0.0
        for t in range(seq_length):
            xs[t] = eye[inputs[:, t]]
            hs[t] = np.tanh(xs[t] @ P["Wxh"] + hs[t - 1] @ P["Whh"] + P["bh"])
            ys = hs[t] @ P["Why"] + P["by"]
            e = np.exp(ys - ys.max(1, keepdims=True))
            ps[t] = e / e.sum(1, keepdims=True)
            loss += -np.log(ps[t][np.arange(B), targets[:, t]]).mean()
        G = {k: np.zeros_like(w) for k, w in P.items()}
        dhnext = np.zeros_like(hprev)
        for t in reversed(range(seq_length)):
            dy = ps[t].copy()
            dy[np.arange(B), targets[:, t]] -= 1
            dy /= B
            G["Why"] += hs[t].T @ dy
            G["by"] += dy.sum(0)
            dh = dy @ P["Why"].T + dhnext
            draw = (1 - hs[t] * hs[t]) * dh
            G["bh"] += draw.sum(0)
            G["Wxh"] += xs[t].T @ draw
            G["Whh"] += hs[t - 1].T @ draw
            dhnext = draw @ P["Whh"].T
        for g in G.values():
            np.clip(g, -5, 5, out=g)
        return loss, G, hs[seq_length - 1]

    def step():
        p = state["p"]
        if p + seq_length + 1 >= data.shape[1]:
            p, state["h"] = 0, np.zeros((B, hidden_size), f4)
        inputs = data[:, p : p + seq_length]
        targets = data[:, p + 1 : p + seq_length + 1]
        loss, grads, state["h"] = loss_fun(inputs, targets, state["h"])
        for k in P:
            mem[k] += grads[k] * grads[k]
            P[k] += -learning_rate * grads[k] / np.sqrt(mem[k] + 1e-8)
        state["p"] = p + seq_length
        return float(loss / seq_length)

    V, H = vocab_size, hidden_size
    forward = V * H + H * H + H * V
    backward = 2 * (H * H + H * V) + V * H  # no gradient for the one-hot inputs
    flop = 2 * B * seq_length * (forward + backward)
    return step, flop


def programs():
    return [
        Program(
            name="numpy-mlp-adam-mnist-like",
            kind="vision",
            arch="MLP",
            precision="fp32",
            build=build_mlp,
        ),
        Program(
            name="numpy-char-rnn-adagrad",
            kind="language",
            arch="RNN",
            precision="fp32",
            build=build_char_rnn,
        ),
    ]
