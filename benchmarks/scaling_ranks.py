"""Run by scaling.py under mpiexec: what a step, a sum and both together take. Rank 0 prints one JSON line."""

import json
import time
from collections.abc import Callable

import numpy as np

from benchmarks.mlp import Sizes
from dlkit.backend import open_backend
from dlkit.backend.launch import open_machines
from dlkit.backend.machines import Comm
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team, hold_blas_at_one_thread
from dlkit.nn.layers import Act, Dense, Sequential
from dlkit.nn.optimizers import AdamSpec, build
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, shard_rows
from dlkit.ops.losses import softmax_cross_entropy

ROWS = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Rows of a step without any exchange."""
BATCHES = (128, 512, 2048)
"""Global batches of a step with exchange."""
NUMBERS = (1, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
"""Lengths of float32 sums."""
BLOCKS = 15
BLOCK_SECONDS = 0.1


def best(comm: Comm, act: Callable[[], object]) -> float:
    """Seconds of one call, the lowest mean of some blocks; every rank does the same number of calls."""
    act()
    began = time.perf_counter()
    act()
    took = comm.broadcast(time.perf_counter() - began)
    calls = max(1, min(1000, int(BLOCK_SECONDS / max(took, 1e-7))))
    found = []
    for _ in range(BLOCKS):
        comm.broadcast(0)
        began = time.perf_counter()
        for _ in range(calls):
            act()
        found.append((time.perf_counter() - began) / calls)
    return min(found)


def step_of(sizes: Sizes, rows: int, total: int, comm: Comm | None) -> tuple[Callable[[], object], int]:
    """A training step on `rows` of a batch of `total`, and the number of parameters."""
    backend, streams = open_backend("cpu"), Streams(1)
    a, b, c, k = sizes.layers
    model = Sequential(Dense(a, b, Act("relu")), Dense(b, c, Act("relu")), Dense(c, k))
    flat = Flat.allocate(model, backend, streams)
    draw = np.random.default_rng(1)
    x, y = draw.random((rows, a), dtype=np.float32), draw.integers(0, k, rows)
    step = GradientStep(model, build(AdamSpec(), flat), backend, Team(1, 1), streams, comm=comm)

    def loss(tape, shard, part):
        mean, *_ = softmax_cross_entropy(tape, model(tape, tape.constant(x[part])), y[part], 1 / total)
        return mean, None

    return lambda: step(rows, loss, 1e-5, (1, 1), total_rows=total), flat.size


def adding(parts: int, n: int) -> Callable[[], object]:
    """The arithmetic of a sum in rank order: a block of n numbers from each of `parts` ranks."""
    a, out = np.ones((parts, n), np.float32), np.empty(n, np.float32)
    return lambda: np.add.reduce(a, axis=0, out=out)


def main() -> None:
    hold_blas_at_one_thread()
    comm, sizes = open_machines(), Sizes()
    best(comm, step_of(sizes, 64, 64, None)[0])  # the first figure would pay for a cold machine
    alone = {rows: best(comm, step_of(sizes, rows, rows, None)[0]) for rows in ROWS}
    sums: dict[bool, dict[int, float]] = {True: {}, False: {}}
    for fixed_order, found in sums.items():
        comm.fixed_order = fixed_order
        for n in NUMBERS:
            array = np.zeros(n, np.float32)
            found[n] = best(comm, lambda array=array: comm.all_sum(array))
    comm.fixed_order = True
    together = {}
    for batch in BATCHES:
        rows = len(range(batch)[shard_rows(batch, comm.size, comm.rank)])
        act, parameters = step_of(sizes, rows, batch, comm)
        together[batch] = best(comm, act)
    added = {parts: best(comm, adding(parts, parameters // parts)) for parts in (2, 8, 64)}
    if comm.rank == 0:
        report = {"ranks": comm.size, "parameters": parameters, "alone": alone, "together": together}
        print(json.dumps(report | {"in_order": sums[True], "any_order": sums[False], "added": added}))


if __name__ == "__main__":
    main()
