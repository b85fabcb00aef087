"""A team of threads for the shards of the work: fork, join, and a sum on which all shards agree.

Shards, not threads, decide the arithmetic: whatever is summed over shards is summed in shard order,
so a result has the same bits for any number of threads.
"""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from dlkit.backend.cpus import granted_threads, hold_blas_at_one_thread
from dlkit.backend.lanes import Lanes, bands

__all__ = ["ProductTeam", "Team", "granted_threads", "hold_blas_at_one_thread"]

T = TypeVar("T")


class _Abandoned(BaseException):
    """Unwinds a shard that waits for a sum which can no longer be complete."""


def _held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Team:
    """`shards` pieces of work at a time, at most `threads` of them running at once.

    Every shard has its own thread (shard 0 the caller's), started at the first `map` and kept; for a while
    after a `map` it is at hand without being woken (lanes.py). With fewer threads than shards a shard that
    waits in `all_sum` gives its turn to another.
    """

    product: Callable[[Any, Any, Any], Any] | None = None
    """product(a, b, out): a matrix product cut into parts; None where the shards are cut otherwise."""

    share: Callable[..., None] | None = None
    """share(kernel, *args): a kernel whose rows are cut into `parts`; None likewise."""
    parts = 1

    def __init__(self, threads: int, shards: int) -> None:
        if threads < 1 or shards < 1:
            raise ValueError(f"threads and shards must be at least 1, got {threads} and {shards}")
        self.shards = shards
        self.threads = min(threads, shards)
        self._turns = threading.Semaphore(self.threads) if self.threads < shards else None
        self._lanes: Lanes | None = None
        # Raw locks, held until there is something to wake for: half the price of the Python-level semaphore.
        self._starts = [_held_lock() for _ in range(shards)]
        self._all_ended = _held_lock()
        self._workers: list[threading.Thread] = []
        self._round = threading.Condition()
        self._busy = False
        self._closed = False
        self._fn: Callable[[int], Any] | None = None
        self._results: list[Any] = [None] * shards
        self._errors: list[BaseException | None] = [None] * shards
        self._parts: list[Any] = [None] * shards
        self._sum: Any = None
        self._arrived = self._ended = self._generation = 0
        self._abandoned = False

    def map(self, fn: Callable[[int], T]) -> list[T]:
        """``[fn(0), ..., fn(shards - 1)]``; the exception of the lowest failing shard is re-raised
        after every shard has ended. Not re-entrant.
        """
        if self._closed:
            raise RuntimeError("this team is closed")
        if self.shards == 1:
            return [fn(0)]
        if self._busy:
            raise RuntimeError("Team.map inside Team.map")
        self._busy = True
        try:
            return self._run_all(fn)
        finally:
            self._busy = False

    def all_sum(self, shard: int, array: Any) -> Any:
        """Inside `map`: the sum of every shard's `array`, in shard order.

        Every shard must call it equally often. Returns an array of the shard's own
        (with one shard: `array` itself). `array` may be reused as soon as this returns.
        """
        if self.shards == 1:
            return array
        with self._round:
            self._parts[shard] = array
            self._arrived += 1
            if self._arrived == self.shards:
                return self._complete_sum().copy()
            if self._ended:
                self._abandon()
            mine = self._generation
            if self._turns:
                self._turns.release()
            try:
                while self._generation == mine and not self._abandoned:
                    self._round.wait()
                total = None if self._generation == mine else self._sum
            finally:
                # Outside the lock: whoever holds the turn may need it to reach the sum.
                self._round.release()
                if self._turns:
                    self._turns.acquire()
                self._round.acquire()
        if total is None:
            raise _Abandoned
        return total.copy()

    def close(self) -> None:
        """End the threads. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._start_all()
        for worker in self._workers:
            worker.join()

    @property
    def hands(self) -> "Team":
        """Who shares the work that no shard owns: the update of the parameters."""
        return self

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- one round ----------------------------------------------------------------------------
    def _run_all(self, fn: Callable[[int], T]) -> list[T]:
        self._hire()
        self._fn = fn
        self._results = [None] * self.shards
        self._errors = [None] * self.shards
        self._arrived = self._ended = 0
        self._abandoned = False
        self._start_all()
        self._run_shard(0)
        if self._lanes:
            self._lanes.linger()
        interrupt = self._join()
        self._fn = None
        self._parts = [None] * self.shards
        self._sum = None
        errors = [e for e in self._errors if e is not None]
        self._errors = [None] * self.shards
        if interrupt is not None:
            raise interrupt
        real = [e for e in errors if not isinstance(e, _Abandoned)]
        if real:
            raise real[0]
        if errors:
            raise RuntimeError("a shard ended without the all_sum that another shard waits in")
        return self._results

    def _hire(self) -> None:
        """Start the workers, once."""
        if self._workers:
            return
        if self._turns is None:  # all of them can run at once, so one of them may look instead of sleep
            self._lanes = self.lanes
        self._workers = [
            threading.Thread(target=self._work, args=(s,), name=f"dlkit-shard-{s}", daemon=True)
            for s in range(1, self.shards)
        ]
        for worker in self._workers:
            worker.start()

    @cached_property
    def lanes(self) -> Lanes:
        return Lanes(self.shards)

    @property
    def _at_hand(self) -> bool:
        """Whether the workers attend to the lanes: there are enough threads, and no `map` is under way."""
        return self._lanes is not None and not self._busy

    def _start_all(self) -> None:
        if self._lanes:
            self._lanes.call()
            return
        for start in self._starts[1:]:
            start.release()

    def _join(self) -> BaseException | None:
        """Wait for the other shards. Ctrl-C in between must not leave them running on our buffers."""
        interrupt = None
        while True:
            try:
                self._all_ended.acquire()
                return interrupt
            except BaseException as error:
                interrupt = error

    def _work(self, shard: int) -> None:
        lanes = self._lanes
        while True:
            if lanes:
                lanes.attend(shard)
            else:
                self._starts[shard].acquire()
            if self._closed:
                return
            self._run_shard(shard)
            if lanes:
                lanes.called(shard)

    def _run_shard(self, shard: int) -> None:
        if self._turns:
            self._turns.acquire()
        try:
            assert self._fn is not None
            self._results[shard] = self._fn(shard)
        except BaseException as error:
            self._errors[shard] = error
        finally:
            if self._turns:
                self._turns.release()
            with self._round:
                self._ended += 1
                if self._arrived:  # somebody waits for a sum that this shard will never join
                    self._abandon()
                if self._ended == self.shards:
                    self._all_ended.release()

    def _abandon(self) -> None:
        self._abandoned = True
        self._round.notify_all()

    def _complete_sum(self) -> Any:
        total = self._parts[0] + self._parts[1]
        for part in self._parts[2:]:
            total += part
        self._sum = total
        self._arrived = 0
        self._generation += 1
        self._round.notify_all()
        return total


class ProductTeam(Team):
    """One shard, whose matrix products and kernels are cut into `parts` bands that a team of hands shares.

    For small batches this beats cutting the batch: the interpreter runs once instead of once a shard, and
    there is one gradient instead of one a shard. The bits depend on `parts`, not on the number of threads.
    """

    def __init__(self, threads: int, parts: int) -> None:
        super().__init__(1, 1)
        self._hands = Team(threads, parts)
        self.parts = parts
        if parts > 1:
            self.product, self.share = self._product, self._share

    @property
    def hands(self) -> Team:
        return self._hands

    def close(self) -> None:
        self._hands.close()
        super().close()

    def _product(self, a: Any, b: Any, out: Any) -> Any:
        """out = a b; a (m, k), b (k, n), out (m, n). Returns out."""
        hands = self._hands
        m, n = out.shape
        by_rows, band = bands(m, n, a.shape[1], hands.shards)
        if not band:  # an outer product is no work for the library, which would pack both factors
            return np.multiply(a, b, out=out) if a.shape[1] == 1 else np.matmul(a, b, out=out)
        hands._hire()
        if hands._at_hand and hands.lanes.product(a, b, out, by_rows, band):
            return out
        for lo in range(0, m if by_rows else n, band):
            mine = slice(lo, lo + band)
            if by_rows:
                np.matmul(a[mine], b, out=out[mine])
            else:
                np.matmul(a, b[:, mine], out=out[:, mine])
        return out

    def _share(self, kernel: Any, *args: Any) -> None:
        """kernel(*args) in bands of its rows, as far as it can be cut (dlkit.kernels.registry)."""
        hands = self._hands
        args = kernel.checked(args)
        rows = kernel.rows(args, hands.shards)
        if not rows:
            kernel.run(args)
            return
        hands._hire()
        hands.lanes.pieces(kernel.lay, args, rows, hands.shards, kernel.sums(args), alone=not hands._at_hand)
