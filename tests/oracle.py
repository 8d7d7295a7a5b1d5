"""Eqs. (1)-(15) of the paper in plain float64 loops, one clip at a time, to compare the core with.

Nothing here is shared with the package. Parameters come as any records with the fields of `types`;
a kernel holds the gates i, f, o, g side by side.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def convolve(kernel, x):
    """`W * X` with zeros outside the map: kernel [k, k, D, O], x [N, N, D] -> [N, N, O]."""
    k, n = kernel.shape[0], x.shape[0]
    out = np.zeros((n, n, kernel.shape[-1]))
    for row in range(n):
        for column in range(n):
            for a in range(k):
                for b in range(k):
                    i, j = row + a - k // 2, column + b - k // 2
                    if 0 <= i < n and 0 <= j < n:
                        out[row, column] += x[i, j] @ kernel[a, b]
    return out


def gate(number, p, terms):
    """The sum inside one gate, Eqs. (1)-(4) and (10)-(13); `terms` are pairs of kernel and map."""
    size = len(p.bias) // 4
    part = slice(number * size, (number + 1) * size)
    return sum(convolve(kernel[..., part], x) for kernel, x in terms) + p.bias[part]


def lstm(p, c, h, terms):
    """C_t and H_t, Eqs. (1)-(6), or (10)-(15) with three terms."""
    terms = [*terms, (p.hidden, h)]
    i = sigmoid(gate(0, p, terms))
    f = sigmoid(gate(1, p, terms))
    o = sigmoid(gate(2, p, terms))
    g = np.tanh(gate(3, p, terms))
    c = f * c + i * g
    return c, o * np.tanh(c)


def attention(p, x, h):
    """A_t [N, N], Eqs. (7)-(8); a hidden vector asks the same of every place."""
    n = x.shape[0]
    z = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            asks = h[i, j] if h.shape[0] == n else h[0, 0]
            z[i, j] = p.score @ np.tanh(x[i, j] @ p.x + asks @ p.hidden + p.bias)
    e = np.exp(z - z.max())
    return e / e.sum()


def weighted(a, x, keeps_map):
    """Eq. (9), or ALSTM's sum over all places as a 1 x 1 map."""
    n, depth = x.shape[0], x.shape[2]
    out = np.zeros((n, n, depth))
    for i in range(n):
        for j in range(n):
            out[i, j] = a[i, j] * x[i, j]
    return out if keeps_map else out.sum((0, 1)).reshape(1, 1, depth)


def run(name, p, x, motion, carry):
    """One clip through one of the six cells.

    Args:
      name: the cell.
      p: its parameters, `top`, `attend`, `motion`.
      x: [T, N, N, D].
      motion: [T, M, M, E] or None.
      carry: C, H and, for the motion cells, C^m, H^m, each [N', N', K].

    Returns:
      H_t of all frames, A_t of all frames or None, and the last carry.
    """
    c, h, *rest = carry
    keeps_map = name in ("convalstm", "videolstm")
    shown, looked = [], []
    for t in range(len(x)):
        features = x[t]
        if name in ("motion_alstm", "videolstm"):
            cm, hm = rest
            rest = lstm(p.motion, cm, hm, [(p.motion.x, motion[t]), (p.motion.above, h)])
        if name not in ("lstm", "convlstm"):
            a = attention(p.attend, x[t], rest[1] if rest else h)
            looked.append(a)
            features = weighted(a, x[t], keeps_map)
        c, h = lstm(p.top, c, h, [(p.top.x, features)])
        shown.append(h)
    return np.array(shown), np.array(looked) if looked else None, (c, h, *rest)


def classify(p, hidden):
    """The head: hidden [T, N', N', K] -> class scores [T, C] before the softmax."""
    rows = [
        np.tanh(h.reshape(-1) @ p.dense + p.dense_bias) @ p.classes + p.classes_bias for h in hidden
    ]
    return np.array(rows)


def plain(record):
    """A record of arrays as the same names with float64 numpy arrays, None kept."""
    if record is None:
        return None
    return SimpleNamespace(
        **{
            name: plain(value)
            if hasattr(value, "_fields") or value is None
            else np.asarray(value, np.float64)
            for name, value in record._asdict().items()
        }
    )
