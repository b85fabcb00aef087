"""The ranks of an MPI job, by way of mpi4py."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlkit.backend.machines import Array, Comm, K, T, add_counts

SMALL = 4096
"""Bytes up to which a sum sends everything to everybody: one message, in which a signal travels along."""
GRACE = 1.0
"""Seconds a failing rank waits to see whether all the others fail as well."""
NOTICE = 0.5
"""Seconds in which failing ranks hear of each other."""
PATIENCE = 30.0
"""Seconds a failing rank waits for the one that tells the reason to end the job."""
FORWARDING = 0.3
"""Seconds for the launcher to pass on what was told; it may drop what it has not when the job is aborted."""
DIRECT = "DLKIT_MPI_GPU_DIRECT"
"""Environment variable: 1 hands device memory to MPI (CUDA-aware builds only; others crash)."""


class MPIComm(Comm):
    """The ranks that mpiexec or srun started. Calls come from one thread (MPI_THREAD_FUNNELED).

    Without `fixed_order` large sums are MPI_Allreduce's: the faster the more ranks there are, and the same
    bits again only if the MPI library promises it.
    """

    def __init__(self, mpi: Any) -> None:
        super().__init__()
        self._mpi = mpi
        self._world = mpi.COMM_WORLD.Dup()
        self._failures = mpi.COMM_WORLD.Dup()  # of its own: a failing rank is in nobody's step
        self.rank, self.size = self._world.rank, self._world.size
        node = self._world.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank = node.rank
        self.sharers = _sharers(node)
        self._parts = np.empty(0, np.uint8)

    # -- arrays and counts ----------------------------------------------------------------------
    def gather(self, value: T) -> list[T]:
        return self._world.allgather(value)

    def broadcast(self, value: T) -> T:
        return self._world.bcast(value)

    def all_sum(self, array: Array) -> None:
        if not array.flags.c_contiguous:
            raise ValueError("all_sum: the array is not C-contiguous")
        if isinstance(array, np.ndarray):
            self._sum_on_host(array.reshape(-1))
        elif os.environ.get(DIRECT) == "1" and array.nbytes > SMALL:
            import cupy

            cupy.cuda.get_current_stream().synchronize()  # MPI knows nothing of streams
            self._world.Allreduce(self._mpi.IN_PLACE, array)
        else:
            host = array.get()
            self._sum_on_host(host.reshape(-1))
            array.set(host)

    def _sum_on_host(self, flat: np.ndarray) -> None:
        if flat.nbytes <= SMALL:
            self._sum_small(flat)
        elif self.fixed_order:
            self._sum_in_order(flat)
        else:
            self._world.Allreduce(self._mpi.IN_PLACE, flat)

    def _sum_small(self, flat: np.ndarray) -> None:
        """Everything to everybody, behind the number of the signal received."""
        mine = np.empty(8 + flat.nbytes, np.uint8)
        mine[:8].view(np.int64)[0] = self._asked
        mine[8:] = flat.view(np.uint8)
        parts = np.empty((self.size, len(mine)), np.uint8)
        self._world.Allgather(mine, parts)
        self._agreed = max(self._agreed, int(parts[:, :8].view(np.int64).max()))
        _add(parts[:, 8:].view(flat.dtype), flat)

    def _sum_in_order(self, flat: np.ndarray) -> None:
        """Every rank gets everybody's part of one block, adds the parts in rank order, hands the sum round.

        As many bytes cross the network as in the bandwidth-optimal all-reduce (Rabenseifner 2004), but in
        size - 1 messages to start with instead of log2(size).
        """
        base, longer = divmod(len(flat), self.size)
        counts = [base + (r < longer) for r in range(self.size)]
        starts = [r * base + min(r, longer) for r in range(self.size)]
        mine, lo = counts[self.rank], starts[self.rank]
        parts = self._room(self.size * mine, flat.dtype)
        places = [r * mine for r in range(self.size)]
        self._world.Alltoallv([flat, (counts, starts)], [parts, ([mine] * self.size, places)])
        _add(parts.reshape(self.size, mine), flat[lo : lo + mine])
        self._world.Allgatherv(self._mpi.IN_PLACE, [flat, (counts, starts)])

    def _room(self, n: int, dtype: np.dtype) -> np.ndarray:
        """(n,) to receive into, reused from step to step."""
        if self._parts.nbytes < n * dtype.itemsize:
            self._parts = np.empty(n * dtype.itemsize, np.uint8)
        return self._parts[: n * dtype.itemsize].view(dtype)

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        counts = [int(n) * int(np.prod(rows.shape[1:])) for n in self.gather(len(rows))]
        flat = np.empty(sum(counts), rows.dtype)
        starts = np.cumsum([0, *counts[:-1]]).tolist()
        mine = np.ascontiguousarray(rows).reshape(-1)
        self._world.Allgatherv(mine, [flat, (counts, starts)])
        return flat.reshape(-1, *rows.shape[1:])

    def sum_counts(self, counts: Mapping[K, int]) -> dict[K, int]:
        """Up a binomial tree whose branches are neighbouring ranks, so that the keys keep their order."""
        total, reach = dict(counts), 1
        while reach < self.size:
            if self.rank % (2 * reach):
                self._world.send(total, self.rank - reach)
                break
            if self.rank + reach < self.size:
                add_counts(total, self._world.recv(source=self.rank + reach))
            reach *= 2
        return self.broadcast(total)

    # -- failure --------------------------------------------------------------------------------
    def fail(self, tell: Callable[[], int]) -> int:
        """This rank failed. `tell` prints why and returns the exit code; among all ranks it speaks once.

        If all ranks fail (a bad recipe, a loss that is not finite), each ends with its own code. If not,
        the failing ones end the job, and this does not return.
        """
        barrier = self._failures.Ibarrier()
        if _within(GRACE, barrier.Test):
            return tell() if self.rank == 0 else silently(tell)
        lowest = self._lowest_failing()
        if barrier.Test():
            return tell() if self.rank == 0 else silently(tell)
        if lowest < self.rank:
            time.sleep(PATIENCE)
            code = silently(tell)
        else:
            code = tell()
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(FORWARDING)
        self._mpi.COMM_WORLD.Abort(code)
        return code

    def _lowest_failing(self) -> int:
        """Tell every rank, hear for a while, and return the lowest rank known to fail."""
        nothing = [None, 0, self._mpi.BYTE]
        notices = [self._failures.Isend(nothing, r) for r in range(self.size) if r != self.rank]
        lowest, status = self.rank, self._mpi.Status()

        def hear() -> bool:
            nonlocal lowest
            while self._failures.Iprobe(status=status):
                self._failures.Recv(nothing, status.source)
                lowest = min(lowest, status.source)
            return False

        _within(NOTICE, hear)
        self._mpi.Request.Testall(notices)
        return lowest


def _add(parts: np.ndarray, out: np.ndarray) -> None:
    """The sum over the first axis, term after term; who asked for it judges what is not finite."""
    with np.errstate(all="ignore"):
        np.add.reduce(parts, axis=0, out=out)


def silently(tell: Callable[[], int]) -> int:
    """The exit code without the words."""
    with contextlib.redirect_stderr(io.StringIO()):
        return tell()


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    """Whether `done` came true in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _sharers(node: Any) -> int:
    """Ranks of this machine whose cores overlap this one's: a launcher that binds gives each its own."""
    try:
        mine = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return node.size
    return sum(bool(mine & other) for other in node.allgather(mine))
