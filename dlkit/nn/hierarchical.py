"""An output layer over a vocabulary that costs the logarithm of its size: a Huffman tree of the symbols."""

import heapq
from typing import ClassVar

import numpy as np

from dlkit.autograd import Array, Tape, Variable
from dlkit.nn.init import ZEROS
from dlkit.nn.module import Module
from dlkit.nn.parameter import RowParameter
from dlkit.ops.embedding import row_path
from dlkit.ops.hierarchical import Paths, hierarchical_loss


def huffman(counts: np.ndarray) -> Paths:
    """The paths of Huffman's tree (1952): frequent symbols are near the root, so that the mean path is as
    short as can be. counts: (V,), V >= 2, 0 counts as 1; among equals the earlier symbol goes first.

    Inner nodes are numbered from 0 in the order in which they are made; the last is the root.
    """
    symbols = len(counts)
    if symbols < 2:
        raise ValueError(f"huffman: expected 2 symbols or more, actual {symbols}")
    parent = np.zeros(2 * symbols - 1, np.int64)
    branch = np.zeros(2 * symbols - 1, np.uint8)
    heap = [(max(int(count), 1), k) for k, count in enumerate(counts.tolist())]
    heapq.heapify(heap)
    for node in range(symbols, 2 * symbols - 1):
        (rare, right), (frequent, left) = heapq.heappop(heap), heapq.heappop(heap)
        parent[[left, right]], branch[right] = node, 1
        heapq.heappush(heap, (rare + frequent, node))
    nodes: list[int] = []
    branches: list[int] = []
    starts = [0]
    up, taken, root = parent.tolist(), branch.tolist(), 2 * symbols - 2
    for symbol in range(symbols):
        path, at = [], symbol
        while at != root:
            path.append((up[at] - symbols, taken[at]))
            at = up[at]
        nodes += [node for node, _ in reversed(path)]
        branches += [way for _, way in reversed(path)]
        starts.append(len(nodes))
    return Paths(np.array(nodes, np.int64), np.array(branches, np.uint8), np.array(starts, np.int64))


class HierarchicalOutput(Module):
    """p(symbol | h) along the branches of a Huffman tree over the symbols' counts.

    Every inner node has a row of weights and a bias, all 0 at first: every branch is as likely as the other.
    A step changes the nodes of the paths that it went.
    """

    kind: ClassVar[str] = "hierarchical"

    def __init__(self, counts: np.ndarray, n: int) -> None:
        """counts: (symbols,) times that each occurs; n: numbers of h."""
        self.paths = huffman(counts)
        self.weight = RowParameter((len(counts) - 1, n), ZEROS)
        self.bias = RowParameter((len(counts) - 1, 1), ZEROS, decays=False)
        self._on_device: tuple[Array, Array, Array] | None = None

    def loss(
        self, tape: Tape, h: Variable, labels: np.ndarray, weight: float
    ) -> tuple[Variable, list[Array]]:
        """Weighted sum of -log p of labels (N,), -1 for none; h (N, n). Also each one's, and whether the
        likelier branches lead to it."""
        if self._on_device is None:
            nodes, branches, starts = (tape.backend.asarray(a) for a in self.paths)
            self._on_device = nodes, branches, starts
        by_rows = row_path(tape, self.weight), row_path(tape, self.bias)
        w, b = tape.parameter(self.weight), tape.parameter(self.bias)
        loss, nll, likeliest = hierarchical_loss(
            tape, h, w, b, labels, self.paths, self._on_device, weight, by_rows=by_rows
        )
        return loss, [nll, likeliest]

    def log_p(self, tape: Tape, h: Array) -> np.ndarray:
        """(N, symbols) float64 log probabilities of all symbols; h (N, n) on the device."""
        z = tape.backend.xp.matmul(h, self.weight.data.T) + self.bias.data[:, 0]
        sign = 1.0 - 2.0 * self.paths.branches
        scores = tape.backend.to_host(z).astype(np.float64)[:, self.paths.nodes] * sign
        return np.add.reduceat(-np.logaddexp(0, -scores), self.paths.starts[:-1], axis=1)
