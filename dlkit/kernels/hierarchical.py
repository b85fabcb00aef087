"""Hierarchical softmax: -log p of a symbol along its path in a binary tree (Morin & Bengio 2005).

A symbol's path are inner nodes k_1 .. k_L with the branch taken at each, d = 0 or 1. With the score z_j = h .
w_{k_j} + b_{k_j}

    p(symbol | h) = prod_j sigma(z_j)^{1 - d_j} sigma(-z_j)^{d_j},   d(-log p)/d z_j = sigma(z_j) - (1 - d_j)

so that the work is that of the path, log2 of the vocabulary in a Huffman tree of even counts or less.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, log_one_plus
from dlkit.kernels.registry import kernel


def path_loss_reference(
    h: Any, w: Any, b: Any, nodes: Any, branches: Any, starts: Any, labels: Any, weight: float, first: Any,
    dh: Any, dz: Any, loss: Any, likeliest: Any,
) -> None:  # fmt: skip
    """h: (N, n); w: (K, n); b: (K,); path of symbol v: nodes[starts[v]:starts[v + 1]] int64, branches uint8;
    labels: (N,) int64, -1 for none; first: (N + 1,) int64, where the path of each row begins in dz; dz: (S,)
    weight times the gradient of each score; dh: (N, n) weight times that of h; loss: (N,) not weighted;
    likeliest: (N,) uint8, 1 where every branch of the path is the likelier one."""
    for i, label in enumerate(labels):
        dh[i], loss[i], likeliest[i] = 0, 0, 0
        if label < 0:
            continue
        path = slice(starts[label], starts[label + 1])
        k, sign = nodes[path], 1 - 2 * branches[path].astype(h.dtype)
        z = (w[k] * h[i]).sum(1) + b[k]
        loss[i] = np.logaddexp(0, -sign * z).sum()
        likeliest[i] = bool((sign * z > 0).all())
        d = -weight * sign / (1 + np.exp(sign * z))
        dz[first[i] : first[i + 1]] = d
        dh[i] = (d[:, None] * w[k]).sum(0)


def _path_loss_cpu(
    h, w, b, nodes, branches, starts, labels, weight, first, dh, dz, loss, likeliest
):  # fmt: skip
    zero, one, scale = h.dtype.type(0), h.dtype.type(1), h.dtype.type(weight)
    for i in range(labels.size):
        x, dx = h[i], dh[i]
        for j in range(x.size):
            dx[j] = zero
        total, best = zero, True
        label = labels[i]
        if label >= 0:
            at = first[i]
            for s in range(starts[label], starts[label + 1]):
                row = w[nodes[s]]
                z = b[nodes[s]]
                for j in range(x.size):
                    z += row[j] * x[j]
                sign = one if branches[s] == 0 else -one
                u = sign * z
                e = exponential(-abs(u))
                total += log_one_plus(e) + (zero if u > zero else -u)
                best = best and u > zero
                d = -scale * sign * ((e if u > zero else one) / (one + e))
                dz[at] = d
                at += 1
                for j in range(x.size):
                    dx[j] += d * row[j]
        loss[i] = total
        likeliest[i] = 1 if label >= 0 and best else 0


_KERNELS = r"""
// A block a row. A label out of range makes its row NaN.
extern "C" __global__ void path_loss(const real* h, const real* w, const real* b, const long long* nodes,
                                     const unsigned char* branches, const long long* starts,
                                     const long long* labels, real weight, const long long* first, real* dh,
                                     real* dz, real* loss, unsigned char* likeliest, int n,
                                     long long symbols) {
  __shared__ real part[128];
  long long i = blockIdx.x;
  int t = threadIdx.x;
  const real* x = h + i * n;
  real* dx = dh + i * n;
  for (int j = t; j < n; j += blockDim.x) dx[j] = 0;
  long long label = labels[i];
  bool known = label >= 0 && label < symbols;
  real total = label < symbols ? (real)0 : real_nan();
  bool best = known;
  if (known) {
    long long at = first[i];
    for (long long s = starts[label]; s < starts[label + 1]; s++, at++) {
      const real* row = w + nodes[s] * n;
      real sum = 0;
      for (int j = t; j < n; j += blockDim.x) sum += row[j] * x[j];
      real z = tree_sum(sum, part) + b[nodes[s]];
      real sign = branches[s] == 0 ? (real)1 : (real)-1;
      real u = sign * z;
      real e = real_exp(-real_abs(u));
      total += real_log1p(e) + (u > 0 ? (real)0 : -u);
      best = best && u > 0;
      real d = -weight * sign * ((u > 0 ? e : (real)1) / ((real)1 + e));
      if (t == 0) dz[at] = d;
      for (int j = t; j < n; j += blockDim.x) dx[j] += d * row[j];
    }
  }
  if (t == 0) {
    loss[i] = total;
    likeliest[i] = best;
  }
}
"""
CUDA = TREES + _KERNELS


def _path_loss_gpu(
    launch: Any, h: Any, w: Any, b: Any, nodes: Any, branches: Any, starts: Any, labels: Any, weight: float,
    first: Any, dh: Any, dz: Any, loss: Any, likeliest: Any,
) -> None:  # fmt: skip
    n, symbols = h.shape[1], starts.shape[0] - 1
    launch(
        "path_loss", (labels.shape[0],), h, w, b, nodes, branches, starts, labels, weight, first, dh, dz,
        loss, likeliest, n, symbols, block=128,
    )  # fmt: skip


def _check(
    h: Any, w: Any, b: Any, nodes: Any, branches: Any, starts: Any, labels: Any, weight: float, first: Any,
    dh: Any, dz: Any, loss: Any, likeliest: Any,
) -> None:  # fmt: skip
    name = "path_loss"
    rows, n = checks.matrix(name, "h", h)
    checks.alike(name, h, dh)
    k, _ = checks.matrix(name, "w", w)
    checks.shaped(name, "w", w, (k, n), h.dtype)
    checks.shaped(name, "b", b, (k,), h.dtype)
    checks.shaped(name, "nodes", nodes, (nodes.size,), np.int64)
    checks.shaped(name, "branches", branches, (nodes.size,), np.uint8)
    checks.shaped(name, "starts", starts, (starts.size,), np.int64)
    checks.shaped(name, "labels", labels, (rows,), np.int64)
    checks.shaped(name, "first", first, (rows + 1,), np.int64)
    checks.shaped(name, "dz", dz, (dz.size,), h.dtype)
    checks.shaped(name, "loss", loss, (rows,), h.dtype)
    checks.shaped(name, "likeliest", likeliest, (rows,), np.uint8)
    checks.index(name, "nodes", nodes, k)
    if isinstance(labels, np.ndarray):
        _check_paths(name, starts, labels, first, nodes.size, dz.size)


def _check_paths(name: str, starts: Any, labels: Any, first: Any, nodes: int, places: int) -> None:
    if labels.size and not (labels.min() >= -1 and labels.max() < starts.size - 1):
        raise ValueError(f"{name}: labels: expected -1 to {starts.size - 2}")
    if starts[0] != 0 or starts[-1] != nodes or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"{name}: starts: expected to rise from 0 to {nodes}")
    lengths = np.where(labels < 0, 0, starts[labels + 1] - starts[labels])
    if first[0] != 0 or first[-1] != places or (np.diff(first) != lengths).any():
        raise ValueError(f"{name}: first: expected where the paths of the labels begin in {places} places")


path_loss = kernel(
    "path_loss", path_loss_reference, cpu=_path_loss_cpu, cuda=CUDA, gpu=_path_loss_gpu, check=_check,
    updates="dh dz loss likeliest",
)  # fmt: skip
