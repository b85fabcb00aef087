"""Adam over one flat buffer (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019).

m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p <- p - lr m^ / (sqrt(v^) + eps),
where m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t) undo the start from 0. weight_decay is added to the
gradient, g + weight_decay p; decoupled (AdamW) it is taken off directly, p <- p - lr weight_decay p
(algorithm 2, line 12).

Elementwise: threads may share one step by calling it on slices.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.reduce import BLOCK, add_block, sum_shards_reference
from dlkit.kernels.registry import kernel

TINY = 1e-30
"""Moments below it are taken for 0 by the CPU version: they move a parameter by nothing that counts."""
LEAST = 1e-17
"""Gradients below it have its square there: (1 - beta2) LEAST^2, far below TINY and still no subnormal."""


def adam_reference(
    p: Any, g: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: int, t: int,
) -> None:  # fmt: skip
    """p, g, m, v: (n,); p, m, v updated in place; decoupled: 0 Adam, 1 AdamW; t: count of steps from 1."""
    if decoupled:
        p -= lr * weight_decay * p
    else:
        g = g + weight_decay * p
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    p -= lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


def _update(p, g, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t):
    """The loop, with everything that does not depend on the element taken out of it in float64."""
    real = p.dtype.type
    b1, c1, b2, c2, e = real(beta1), real(1 - beta1), real(beta2), real(1 - beta2), real(eps)
    step = real(lr / (1 - beta1**t))
    root = real(1 / np.sqrt(1 - beta2**t))
    decay = real(0.0 if decoupled else weight_decay)
    keep = real(1 - lr * weight_decay if decoupled else 1.0)
    tiny, least, zero = real(TINY), real(LEAST), real(0)
    for i in range(p.size):
        d = g[i] + decay * p[i]
        # What decays towards 0 must not end among the subnormals, nor a square of what is nearly learnt:
        # they are many times slower.
        s = max(abs(d), least)
        mi, vi = b1 * m[i] + c1 * d, b2 * v[i] + c2 * s * s
        m[i] = zero if abs(mi) < tiny else mi
        v[i] = zero if vi < tiny else vi
        p[i] = keep * p[i] - step * m[i] / (np.sqrt(v[i]) * root + e)


def _adam_cpu(p, g, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t):
    _update(p, g, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t)


def adam_shards_reference(
    p: Any, parts: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: int, t: int,
) -> None:  # fmt: skip
    """Adam on the sum of the shards' gradients. parts: tuple of (n,), summed in its order; else as adam."""
    g = np.empty_like(p)
    sum_shards_reference(parts, g)
    adam_reference(p, g, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t)


def _adam_shards_cpu(p, parts, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t):
    g = np.empty(min(BLOCK, p.size), p.dtype)
    for lo in range(0, p.size, BLOCK):
        hi = min(lo + BLOCK, p.size)
        s = g[: hi - lo]
        add_block(parts, lo, hi, s)
        _update(p[lo:hi], s, m[lo:hi], v[lo:hi], lr, beta1, beta2, eps, weight_decay, decoupled, t)


CUDA = r"""
extern "C" __global__ void adam(real* p, const real* g, real* m, real* v, real b1, real c1, real b2, real c2,
                                real eps, real step, real root, real decay, real keep, long long n) {
  GRID_STRIDE(i, n) {
    real d = g[i] + decay * p[i];
    real mi = b1 * m[i] + c1 * d;
    real vi = b2 * v[i] + c2 * d * d;
    m[i] = mi;
    v[i] = vi;
    p[i] = keep * p[i] - step * mi / (real_sqrt(vi) * root + eps);
  }
}
"""


def _adam_gpu(
    launch: Any, p: Any, g: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: int, t: int,
) -> None:  # fmt: skip
    step, root = lr / (1 - beta1**t), (1 - beta2**t) ** -0.5
    decay, keep = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    launch(
        "adam", p.size, p, g, m, v, beta1, 1 - beta1, beta2, 1 - beta2, eps, step, root, decay, keep, p.size
    )  # fmt: skip


def _adam_shards_gpu(
    launch: Any, p: Any, parts: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: int, t: int,
) -> None:  # fmt: skip
    g = parts[0]
    if len(parts) > 1:
        g = parts[0] + parts[1]
        for part in parts[2:]:
            g += part
    _adam_gpu(launch, p, g, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, t)


def _check_adam(p: Any, g: Any, m: Any, v: Any, *rest: Any) -> None:
    checks.flat("adam", p, g, m, v)


def _check_adam_shards(p: Any, parts: Any, m: Any, v: Any, *rest: Any) -> None:
    checks.parts("adam_shards", parts)
    checks.flat("adam_shards", p, m, v, *parts)


adam = kernel(
    "adam",
    adam_reference,
    cpu=_adam_cpu,
    cuda=CUDA,
    gpu=_adam_gpu,
    check=_check_adam,
    updates="p m v",
    rows="p g m v",
)
adam_shards = kernel(
    "adam_shards", adam_shards_reference, cpu=_adam_shards_cpu, cuda=CUDA, gpu=_adam_shards_gpu,
    check=_check_adam_shards, updates="p m v", rows="p parts m v",
)  # fmt: skip
