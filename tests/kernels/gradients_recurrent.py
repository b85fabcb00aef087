"""What the gradients of recurrent steps are checked against: the forward steps alone."""

import numpy as np
from kernels.cases import Rng
from kernels.gradients import KERNELS, Check, forward, gradient, like

N, M = 4, 3
MASK = {"all": np.ones(4, np.uint8), "some": np.array([1, 0, 1, 1], np.uint8)}


@gradient("lstm_step_backward", mask=MASK)
def _lstm(rng: Rng, mask: str) -> Check:
    z, c0, h0 = rng.standard_normal((N, 4 * M)), rng.standard_normal((N, M)), rng.standard_normal((N, M))
    nothing, b = np.zeros((N, 4 * M)), np.zeros(4 * M)
    wa, wb, wc, wd = (rng.standard_normal((N, M)) for _ in range(4))

    def step(z: np.ndarray, c0: np.ndarray, h0: np.ndarray) -> tuple[np.ndarray, ...]:
        g, c, h = z.copy(), np.empty((N, M)), np.empty((N, M))
        forward("lstm_step", g, nothing, b, MASK[mask], c0, h0, c, h)
        return g, c, h

    def loss(z: np.ndarray, c0: np.ndarray, h0: np.ndarray) -> float:
        _, c, h = step(z, c0, h0)
        return float(((wa + wb + wc) * h + wd * c).sum())

    g, c, _ = step(z, c0, h0)
    carry, dc = wc.copy(), wd.copy()
    KERNELS["lstm_step_backward"](g, MASK[mask], c0, c, wa, wb, carry, dc)
    return loss, [z, c0, h0], [g, dc, carry]


@gradient("gru_step_backward", mask=MASK)
def _gru(rng: Rng, mask: str) -> Check:
    a = rng.standard_normal((N, 4 * M))  # k, r, z of x W, and q of h0 U; r and z of h0 U are 0
    h0, b, bq = rng.standard_normal((N, M)), np.zeros(3 * M), np.zeros(M)
    wa, wb, wc = (rng.standard_normal((N, M)) for _ in range(3))

    def step(a: np.ndarray, h0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = np.concatenate([np.zeros((N, 2 * M)), a[:, 3 * M :]], 1)
        parts, h = np.empty((N, 4 * M)), np.empty((N, M))
        forward("gru_step", a[:, : 3 * M].copy(), u, b, bq, MASK[mask], h0, parts, h)
        return parts, h

    def loss(a: np.ndarray, h0: np.ndarray) -> float:
        return float(((wa + wb + wc) * step(a, h0)[1]).sum())

    parts, _ = step(a, h0)
    carry = wc.copy()
    KERNELS["gru_step_backward"](parts, MASK[mask], h0, wa, wb, carry)
    return loss, [a, h0], [parts, carry]


@gradient("tanh_step_backward", mask=MASK)
def _tanh(rng: Rng, mask: str) -> Check:
    z, h0, b = rng.standard_normal((N, M)), rng.standard_normal((N, M)), np.zeros(M)
    nothing = np.zeros((N, M))
    wa, wb, wc = (rng.standard_normal((N, M)) for _ in range(3))

    def step(z: np.ndarray, h0: np.ndarray) -> np.ndarray:
        (h,) = like(z)
        forward("tanh_step", z, nothing, b, MASK[mask], h0, h)
        return h

    def loss(z: np.ndarray, h0: np.ndarray) -> float:
        return float(((wa + wb + wc) * step(z, h0)).sum())

    carry, dz = wc.copy(), np.empty((N, M))
    KERNELS["tanh_step_backward"](step(z, h0), MASK[mask], wa, wb, carry, dz)
    return loss, [z, h0], [dz, carry]


@gradient("path_loss")
def _path(rng: Rng) -> Check:
    starts = np.array([0, 2, 3, 6])
    nodes, branches = np.array([1, 0, 1, 1, 0, 2]), np.array([0, 1, 1, 0, 0, 1], np.uint8)
    labels, first = np.array([2, 0, -1, 1]), np.array([0, 3, 5, 5, 6])
    h, w, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3)
    rest = nodes, branches, starts, labels

    def loss(h: np.ndarray) -> float:
        dh, dz, rows = like(h, np.empty(6), np.empty(4))
        forward("path_loss", h, w, b, *rest, 1.0, first, dh, dz, rows, np.zeros(4, np.uint8))
        return 0.3 * float(rows.sum())

    dh, dz, rows = like(h, np.empty(6), np.empty(4))
    KERNELS["path_loss"](h, w, b, *rest, 0.3, first, dh, dz, rows, np.zeros(4, np.uint8))
    return loss, [h], [dh]
