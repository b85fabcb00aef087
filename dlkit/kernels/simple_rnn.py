"""One time step of the simple recurrent network, all that is not a matrix product (Elman 1990).

    h = tanh(x W + h0 U + b)

A row whose mask is 0 keeps its state: h = h0.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.gates import clear_row, copy_row, sum_row, tanh_row, total_row
from dlkit.kernels.lstm import check_mask
from dlkit.kernels.registry import kernel


def tanh_step_reference(g: Any, u: Any, b: Any, mask: Any, h0: Any, h: Any) -> None:
    """g: (n, m) x W; u: (n, m) h0 U; b: (m,); mask: (n,) uint8; h0, h: (n, m) state."""
    h[...] = np.tanh(g + u + b)
    h[mask == 0] = h0[mask == 0]


def _tanh_step_cpu(g, u, b, mask, h0, h):
    for i in range(h.shape[0]):
        if mask[i] == 0:
            copy_row(h0[i], h[i])
        else:
            total_row(g[i], u[i], b, h[i])
            tanh_row(h[i])


def tanh_step_backward_reference(h: Any, mask: Any, dy: Any, dp: Any, carry: Any, dz: Any) -> None:
    """h: (n, m) state after the step; dy, dp: what arrives at h from above and from the later step's product;
    carry: (n, m) what arrives past all gates (rows that kept their state), for h before, for h0 after; dz:
    (n, m) gradient of x W + h0 U + b."""
    d = dy + dp + carry
    live = (mask != 0)[:, None]
    dz[...] = np.where(live, d * (1 - h * h), 0)
    carry[...] = np.where(live, 0, d)


def slope_row(h, d, dz):
    """dz = d (1 - h^2)."""
    one = h.dtype.type(1)
    for j in range(h.size):
        dz[j] = d[j] * (one - h[j] * h[j])


def _tanh_step_backward_cpu(h, mask, dy, dp, carry, dz):
    for i in range(h.shape[0]):
        sum_row(dy[i], dp[i], carry[i])
        if mask[i] == 0:
            clear_row(dz[i])
        else:
            slope_row(h[i], carry[i], dz[i])
            clear_row(carry[i])


CUDA = r"""
// Thread (row, j) of (n, m).
extern "C" __global__ void tanh_step(const real* g, const real* u, const real* b, const unsigned char* mask,
                                     const real* h0, real* h, int m, long long size) {
  GRID_STRIDE(s, size) h[s] = mask[s / m] ? real_tanh(g[s] + u[s] + b[s % m]) : h0[s];
}

extern "C" __global__ void tanh_step_backward(const real* h, const unsigned char* mask, const real* dy,
                                              const real* dp, real* carry, real* dz, int m,
                                              long long size) {
  GRID_STRIDE(s, size) {
    real d = dy[s] + dp[s] + carry[s];
    bool live = mask[s / m];
    dz[s] = live ? d * ((real)1 - h[s] * h[s]) : (real)0;
    carry[s] = live ? (real)0 : d;
  }
}
"""


def _tanh_step_gpu(launch: Any, g: Any, u: Any, b: Any, mask: Any, h0: Any, h: Any) -> None:
    launch("tanh_step", h.size, g, u, b, mask, h0, h, b.size, h.size)


def _tanh_step_backward_gpu(launch: Any, h: Any, mask: Any, dy: Any, dp: Any, carry: Any, dz: Any) -> None:
    launch("tanh_step_backward", h.size, h, mask, dy, dp, carry, dz, h.shape[1], h.size)


def _check(g: Any, u: Any, b: Any, mask: Any, h0: Any, h: Any) -> None:
    n, m = checks.matrix("tanh_step", "h", h)
    checks.alike("tanh_step", h, g, u, h0)
    checks.shaped("tanh_step", "b", b, (m,), h.dtype)
    check_mask("tanh_step", mask, n)


def _check_backward(h: Any, mask: Any, dy: Any, dp: Any, carry: Any, dz: Any) -> None:
    n, _ = checks.matrix("tanh_step_backward", "h", h)
    checks.alike("tanh_step_backward", h, dy, dp, carry, dz)
    check_mask("tanh_step_backward", mask, n)


tanh_step = kernel(
    "tanh_step", tanh_step_reference, cpu=_tanh_step_cpu, cuda=CUDA, gpu=_tanh_step_gpu, check=_check,
    updates="h", rows="g u mask h0 h",
)  # fmt: skip
tanh_step_backward = kernel(
    "tanh_step_backward", tanh_step_backward_reference, cpu=_tanh_step_backward_cpu, cuda=CUDA,
    gpu=_tanh_step_backward_gpu, check=_check_backward, updates="carry dz",
    rows="h mask dy dp carry dz",
)  # fmt: skip
