"""One time step of a GRU, all that is not a matrix product (Cho et al. 2014; the candidate as in cuDNN).

    r, z = sigma(a_r), sigma(a_z);  k = tanh(x W_k + b_k + r q), q = h0 U_k + b_q;  h = (1 - z) k + z h0

where a = x W + h0 U + b. The reset gate r acts on the product q, so that one product of h0 gives all three
parts. x W comes in the order k, r, z, h0 U in the order r, z, q: beside each other in (k, r, z, q), the
gradients of x W are its first three parts and those of h0 U its last three. A row whose mask is 0 keeps its
state: h = h0.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.gates import clear_row, copy_row, sigmoid_row, sum_row, tanh_row, total_row
from dlkit.kernels.lstm import check_mask, sigmoid_of
from dlkit.kernels.registry import kernel


# -- forward ------------------------------------------------------------------------------------
def gru_step_reference(g: Any, u: Any, b: Any, bq: Any, mask: Any, h0: Any, a: Any, h: Any) -> None:
    """g: (n, 3m) x W (k, r, z); u: (n, 3m) h0 U (r, z, q); b: (3m,) of g; bq: (m,) of q; mask: (n,) uint8;
    h0, h: (n, m) state before and after; a: (n, 4m) the parts k, r, z, q for the gradient."""
    m = bq.size
    r = sigmoid_of(g[:, m : 2 * m] + u[:, :m] + b[m : 2 * m])
    z = sigmoid_of(g[:, 2 * m :] + u[:, m : 2 * m] + b[2 * m :])
    q = u[:, 2 * m :] + bq
    k = np.tanh(g[:, :m] + b[:m] + r * q)
    a[...] = np.concatenate([k, r, z, q], 1)
    h[...] = k + z * (h0 - k)
    h[mask == 0] = h0[mask == 0]


def candidate_row(x, b, r, u, bq, q, k):
    """q = u + bq; k = tanh(x + b + r q)."""
    for j in range(q.size):
        q[j] = u[j] + bq[j]
    for j in range(k.size):
        k[j] = x[j] + b[j] + r[j] * q[j]
    tanh_row(k)


def mixed_row(k, z, old, new):
    """h = k + z (h0 - k)."""
    for j in range(new.size):
        new[j] = k[j] + z[j] * (old[j] - k[j])


def _gru_step_cpu(g, u, b, bq, mask, h0, a, h):
    m = bq.size
    for i in range(g.shape[0]):
        x, y, row = g[i], u[i], a[i]
        total_row(x[m:], y[: 2 * m], b[m:], row[m : 3 * m])
        sigmoid_row(row[m : 3 * m])
        candidate_row(x[:m], b[:m], row[m : 2 * m], y[2 * m :], bq, row[3 * m :], row[:m])
        if mask[i] == 0:
            copy_row(h0[i], h[i])
        else:
            mixed_row(row[:m], row[2 * m : 3 * m], h0[i], h[i])


# -- backward -----------------------------------------------------------------------------------
def gru_step_backward_reference(a: Any, mask: Any, h0: Any, dy: Any, dp: Any, carry: Any) -> None:
    """a: (n, 4m) k, r, z, q before, after the gradients of the parts of x W (first three) and h0 U (last
    three); dy, dp: (n, m) what arrives at h from above and from the later step's product; carry: (n, m) what
    arrives past the product, for h before, for h0 after."""
    m = h0.shape[1]
    k, r, z, q = (a[:, j * m : (j + 1) * m].copy() for j in range(4))
    d = dy + dp + carry
    dk = d * (1 - z) * (1 - k * k)
    parts = (dk, dk * q * r * (1 - r), d * (h0 - k) * z * (1 - z), dk * r)
    live = (mask != 0)[:, None]
    a[...] = np.where(live, np.concatenate(parts, 1), 0)
    carry[...] = np.where(live, d * z, d)


def update_gate_row(k, z, old, d):
    """k, z: the parts before, the gradients of theirs after; d: what arrives at h before, at h0 after."""
    one = k.dtype.type(1)
    for j in range(k.size):
        dk = d[j] * (one - z[j]) * (one - k[j] * k[j])
        dz = d[j] * (old[j] - k[j]) * z[j] * (one - z[j])
        d[j] *= z[j]
        k[j] = dk
        z[j] = dz


def reset_gate_row(dk, r, q):
    """r, q: the parts before, the gradients of theirs after."""
    one = r.dtype.type(1)
    for j in range(r.size):
        dq = dk[j] * r[j]
        r[j] = dq * q[j] * (one - r[j])
        q[j] = dq


def _gru_step_backward_cpu(a, mask, h0, dy, dp, carry):
    m = h0.shape[1]
    for i in range(a.shape[0]):
        row = a[i]
        sum_row(dy[i], dp[i], carry[i])
        if mask[i] == 0:
            clear_row(row)
        else:
            update_gate_row(row[:m], row[2 * m : 3 * m], h0[i], carry[i])
            reset_gate_row(row[:m], row[m : 2 * m], row[3 * m :])


CUDA = r"""
__device__ __forceinline__ real gru_sigmoid(real x) { return (real)1 / ((real)1 + real_exp(-x)); }

// Thread (row, j) of (n, m).
extern "C" __global__ void gru_step(const real* g, const real* u, const real* b, const real* bq,
                                    const unsigned char* mask, const real* h0, real* a, real* h, int m,
                                    long long size) {
  GRID_STRIDE(s, size) {
    long long i = s / m;
    int j = (int)(s % m);
    const real* x = g + i * 3 * m;
    const real* y = u + i * 3 * m;
    real r = gru_sigmoid(x[m + j] + y[j] + b[m + j]);
    real z = gru_sigmoid(x[2 * m + j] + y[m + j] + b[2 * m + j]);
    real q = y[2 * m + j] + bq[j];
    real k = real_tanh(x[j] + b[j] + r * q);
    real* row = a + i * 4 * m;
    row[j] = k; row[m + j] = r; row[2 * m + j] = z; row[3 * m + j] = q;
    h[s] = mask[i] ? k + z * (h0[s] - k) : h0[s];
  }
}

extern "C" __global__ void gru_step_backward(real* a, const unsigned char* mask, const real* h0,
                                             const real* dy, const real* dp, real* carry, int m,
                                             long long size) {
  GRID_STRIDE(s, size) {
    long long i = s / m;
    int j = (int)(s % m);
    real* row = a + i * 4 * m;
    real k = row[j], r = row[m + j], z = row[2 * m + j], q = row[3 * m + j];
    real d = dy[s] + dp[s] + carry[s];
    bool live = mask[i];
    real dk = d * ((real)1 - z) * ((real)1 - k * k);
    row[j] = live ? dk : (real)0;
    row[m + j] = live ? dk * q * r * ((real)1 - r) : (real)0;
    row[2 * m + j] = live ? d * (h0[s] - k) * z * ((real)1 - z) : (real)0;
    row[3 * m + j] = live ? dk * r : (real)0;
    carry[s] = live ? d * z : d;
  }
}
"""


def _gru_step_gpu(
    launch: Any, g: Any, u: Any, b: Any, bq: Any, mask: Any, h0: Any, a: Any, h: Any
) -> None:  # fmt: skip
    launch("gru_step", h.size, g, u, b, bq, mask, h0, a, h, bq.size, h.size)


def _gru_step_backward_gpu(launch: Any, a: Any, mask: Any, h0: Any, dy: Any, dp: Any, carry: Any) -> None:
    launch("gru_step_backward", h0.size, a, mask, h0, dy, dp, carry, h0.shape[1], h0.size)


def _check(g: Any, u: Any, b: Any, bq: Any, mask: Any, h0: Any, a: Any, h: Any) -> None:
    n, m = checks.matrix("gru_step", "h", h)
    checks.alike("gru_step", h, h0)
    checks.shaped("gru_step", "g", g, (n, 3 * m), h.dtype)
    checks.shaped("gru_step", "u", u, (n, 3 * m), h.dtype)
    checks.shaped("gru_step", "b", b, (3 * m,), h.dtype)
    checks.shaped("gru_step", "bq", bq, (m,), h.dtype)
    checks.shaped("gru_step", "a", a, (n, 4 * m), h.dtype)
    check_mask("gru_step", mask, n)


def _check_backward(a: Any, mask: Any, h0: Any, dy: Any, dp: Any, carry: Any) -> None:
    n, m = checks.matrix("gru_step_backward", "h0", h0)
    checks.alike("gru_step_backward", h0, dy, dp, carry)
    checks.shaped("gru_step_backward", "a", a, (n, 4 * m), h0.dtype)
    check_mask("gru_step_backward", mask, n)


gru_step = kernel(
    "gru_step", gru_step_reference, cpu=_gru_step_cpu, cuda=CUDA, gpu=_gru_step_gpu, check=_check,
    updates="a h", rows="g u mask h0 a h",
)  # fmt: skip
gru_step_backward = kernel(
    "gru_step_backward", gru_step_backward_reference, cpu=_gru_step_backward_cpu, cuda=CUDA,
    gpu=_gru_step_backward_gpu, check=_check_backward, updates="a carry",
    rows="a mask h0 dy dp carry",
)  # fmt: skip
