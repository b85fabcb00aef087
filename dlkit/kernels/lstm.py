"""One time step of an LSTM, all but its matrix products (Hochreiter & Schmidhuber 1997, Gers et al. 2000).

    i, f, o = sigma(z_i), sigma(z_f), sigma(z_o);  k = tanh(z_k);  c = f c0 + i k;  h = o tanh(c)

with z = x W + h0 U + b in the order i, f, k, o of four equal parts. A row whose mask is 0 keeps its state:
c = c0, h = h0.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.gates import clear_row, copy_row, sigmoid_row, sum_row, tanh_row
from dlkit.kernels.registry import kernel


def sigmoid_of(x: Any) -> Any:
    """1 / (1 + e^-x), NumPy's."""
    return 1 / (1 + np.exp(-x))


# -- forward ------------------------------------------------------------------------------------
def lstm_step_reference(g: Any, u: Any, b: Any, mask: Any, c0: Any, h0: Any, c: Any, h: Any) -> None:
    """g: (n, 4m), x W before, the gates after; u: (n, 4m), h0 U; b: (4m,); mask: (n,) uint8;
    c0, h0: (n, m) state before; c, h: (n, m) state after."""
    m = b.size // 4
    z = g + u + b
    g[...] = sigmoid_of(z)
    g[:, 2 * m : 3 * m] = np.tanh(z[:, 2 * m : 3 * m])
    i, f, k, o = (g[:, j * m : (j + 1) * m] for j in range(4))
    c[...] = f * c0 + i * k
    h[...] = o * np.tanh(c)
    c[mask == 0], h[mask == 0] = c0[mask == 0], h0[mask == 0]


def cell_row(i, f, k, old, new):
    """c = f c0 + i k."""
    for j in range(new.size):
        new[j] = f[j] * old[j] + i[j] * k[j]


def output_row(o, c, h):
    """h = o tanh c."""
    copy_row(c, h)
    tanh_row(h)
    for j in range(h.size):
        h[j] *= o[j]


def _lstm_step_cpu(g, u, b, mask, c0, h0, c, h):
    m = b.size // 4
    for r in range(g.shape[0]):
        row = g[r]
        sum_row(u[r], b, row)
        sigmoid_row(row[: 2 * m])
        tanh_row(row[2 * m : 3 * m])
        sigmoid_row(row[3 * m :])
        if mask[r] == 0:
            copy_row(c0[r], c[r])
            copy_row(h0[r], h[r])
        else:
            cell_row(row[:m], row[m : 2 * m], row[2 * m : 3 * m], c0[r], c[r])
            output_row(row[3 * m :], c[r], h[r])


# -- backward -----------------------------------------------------------------------------------
def lstm_step_backward_reference(
    g: Any, mask: Any, c0: Any, c: Any, dy: Any, dp: Any, carry: Any, dc: Any
) -> None:
    """g: (n, 4m), the gates before, the gradient of z after; c0, c: (n, m) as in the forward step;
    dy, dp: (n, m) what arrives at h from above and from the later step's product; carry: (n, m) what arrives
    past all gates (rows that kept their state), for h before, for h0 after; dc: the same for c and c0."""
    m = c.shape[1]
    i, f, k, o = (g[:, j * m : (j + 1) * m].copy() for j in range(4))
    d = dy + dp + carry
    t = np.tanh(c)
    e = dc + d * o * (1 - t * t)
    live = (mask != 0)[:, None]
    parts = (e * k * i * (1 - i), e * c0 * f * (1 - f), e * i * (1 - k * k), d * t * o * (1 - o))
    g[...] = np.where(live, np.concatenate(parts, 1), 0)
    dc[...] = np.where(live, e * f, dc)
    carry[...] = np.where(live, 0, d)


def output_gate_row(o, d, t, e):
    """e += d o (1 - t^2), what arrives at c; o: the gate before, the gradient of its z after."""
    one = o.dtype.type(1)
    for j in range(o.size):
        e[j] += d[j] * o[j] * (one - t[j] * t[j])
        o[j] = d[j] * t[j] * o[j] * (one - o[j])


def input_gates_row(i, k, e):
    """i, k: the gates before, the gradients of their z after."""
    one = i.dtype.type(1)
    for j in range(i.size):
        di = e[j] * k[j] * i[j] * (one - i[j])
        k[j] = e[j] * i[j] * (one - k[j] * k[j])
        i[j] = di


def forget_gate_row(f, old, e):
    """f: the gate before, the gradient of its z after; e: what arrives at c before, at c0 after."""
    one = f.dtype.type(1)
    for j in range(f.size):
        df = e[j] * old[j] * f[j] * (one - f[j])
        e[j] *= f[j]
        f[j] = df


def _lstm_step_backward_cpu(g, mask, c0, c, dy, dp, carry, dc):
    m = c.shape[1]
    t = np.empty(m, c.dtype)
    for r in range(g.shape[0]):
        row = g[r]
        sum_row(dy[r], dp[r], carry[r])
        if mask[r] == 0:
            clear_row(row)
        else:
            copy_row(c[r], t)
            tanh_row(t)
            output_gate_row(row[3 * m :], carry[r], t, dc[r])
            input_gates_row(row[:m], row[2 * m : 3 * m], dc[r])
            forget_gate_row(row[m : 2 * m], c0[r], dc[r])
            clear_row(carry[r])


CUDA = r"""
__device__ __forceinline__ real lstm_sigmoid(real x) { return (real)1 / ((real)1 + real_exp(-x)); }

// Thread (row, j) of (n, m).
extern "C" __global__ void lstm_step(real* g, const real* u, const real* b, const unsigned char* mask,
                                     const real* c0, const real* h0, real* c, real* h, int m,
                                     long long size) {
  GRID_STRIDE(s, size) {
    long long r = s / m;
    int j = (int)(s % m);
    real* row = g + r * 4 * m;
    const real* add = u + r * 4 * m;
    real i = lstm_sigmoid(row[j] + add[j] + b[j]);
    real f = lstm_sigmoid(row[m + j] + add[m + j] + b[m + j]);
    real k = real_tanh(row[2 * m + j] + add[2 * m + j] + b[2 * m + j]);
    real o = lstm_sigmoid(row[3 * m + j] + add[3 * m + j] + b[3 * m + j]);
    row[j] = i; row[m + j] = f; row[2 * m + j] = k; row[3 * m + j] = o;
    bool live = mask[r];
    real cell = f * c0[s] + i * k;
    real out = o * real_tanh(cell);
    c[s] = live ? cell : c0[s];
    h[s] = live ? out : h0[s];
  }
}

extern "C" __global__ void lstm_step_backward(real* g, const unsigned char* mask, const real* c0,
                                              const real* c, const real* dy, const real* dp, real* carry,
                                              real* dc, int m, long long size) {
  GRID_STRIDE(s, size) {
    long long r = s / m;
    int j = (int)(s % m);
    real* row = g + r * 4 * m;
    real i = row[j], f = row[m + j], k = row[2 * m + j], o = row[3 * m + j];
    real d = dy[s] + dp[s] + carry[s];
    bool live = mask[r];
    real t = real_tanh(c[s]);
    real e = dc[s] + d * o * ((real)1 - t * t);
    row[j] = live ? e * k * i * ((real)1 - i) : (real)0;
    row[m + j] = live ? e * c0[s] * f * ((real)1 - f) : (real)0;
    row[2 * m + j] = live ? e * i * ((real)1 - k * k) : (real)0;
    row[3 * m + j] = live ? d * t * o * ((real)1 - o) : (real)0;
    dc[s] = live ? e * f : dc[s];
    carry[s] = live ? (real)0 : d;
  }
}
"""


def _lstm_step_gpu(
    launch: Any, g: Any, u: Any, b: Any, mask: Any, c0: Any, h0: Any, c: Any, h: Any
) -> None:  # fmt: skip
    launch("lstm_step", c.size, g, u, b, mask, c0, h0, c, h, c.shape[1], c.size)


def _lstm_step_backward_gpu(
    launch: Any, g: Any, mask: Any, c0: Any, c: Any, dy: Any, dp: Any, carry: Any, dc: Any
) -> None:
    launch("lstm_step_backward", c.size, g, mask, c0, c, dy, dp, carry, dc, c.shape[1], c.size)


def check_mask(name: str, mask: Any, n: int) -> None:
    """(n,) uint8."""
    checks.shaped(name, "mask", mask, (n,), np.uint8)


def _check(g: Any, u: Any, b: Any, mask: Any, c0: Any, h0: Any, c: Any, h: Any) -> None:
    n, m = checks.matrix("lstm_step", "c", c)
    checks.alike("lstm_step", c, c0, h0, h)
    checks.shaped("lstm_step", "g", g, (n, 4 * m), c.dtype)
    checks.shaped("lstm_step", "u", u, (n, 4 * m), c.dtype)
    checks.shaped("lstm_step", "b", b, (4 * m,), c.dtype)
    check_mask("lstm_step", mask, n)


def _check_backward(g: Any, mask: Any, c0: Any, c: Any, dy: Any, dp: Any, carry: Any, dc: Any) -> None:
    n, m = checks.matrix("lstm_step_backward", "c", c)
    checks.alike("lstm_step_backward", c, c0, dy, dp, carry, dc)
    checks.shaped("lstm_step_backward", "g", g, (n, 4 * m), c.dtype)
    check_mask("lstm_step_backward", mask, n)


lstm_step = kernel(
    "lstm_step", lstm_step_reference, cpu=_lstm_step_cpu, cuda=CUDA, gpu=_lstm_step_gpu, check=_check,
    updates="g c h", rows="g u mask c0 h0 c h",
)  # fmt: skip
lstm_step_backward = kernel(
    "lstm_step_backward", lstm_step_backward_reference, cpu=_lstm_step_backward_cpu, cuda=CUDA,
    gpu=_lstm_step_backward_gpu, check=_check_backward, updates="g carry dc",
    rows="g mask c0 c dy dp carry dc",
)  # fmt: skip
