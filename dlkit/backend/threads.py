"""A team of threads for the shards of a batch: fork, join, and a sum on which all shards agree.

Shards, not threads, decide the arithmetic: whatever is summed over shards is summed in shard order,
so a result has the same bits for any number of threads.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from dlkit.backend.cpus import granted_threads, hold_blas_at_one_thread

__all__ = ["Team", "granted_threads", "hold_blas_at_one_thread"]

T = TypeVar("T")


class _Abandoned(BaseException):
    """Unwinds a shard that waits for a sum which can no longer be complete."""


def _held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Team:
    """`shards` pieces of work at a time, at most `threads` of them running at once.

    Every shard has its own thread (shard 0 the caller's), started at the first `map` and kept: waking one
    costs some 10 microseconds. With fewer threads than shards a shard that waits in `all_sum`
    gives its turn to another.
    """

    def __init__(self, threads: int, shards: int) -> None:
        if threads < 1 or shards < 1:
            raise ValueError(f"threads and shards must be at least 1, got {threads} and {shards}")
        self.shards = shards
        self.threads = min(threads, shards)
        self._turns = threading.Semaphore(self.threads) if self.threads < shards else None
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
        for start in self._starts[1:]:
            start.release()
        for worker in self._workers:
            worker.join()

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- one round ----------------------------------------------------------------------------
    def _run_all(self, fn: Callable[[int], T]) -> list[T]:
        if not self._workers:
            self._workers = [
                threading.Thread(target=self._work, args=(s,), name=f"dlkit-shard-{s}", daemon=True)
                for s in range(1, self.shards)
            ]
            for worker in self._workers:
                worker.start()
        self._fn = fn
        self._results = [None] * self.shards
        self._errors = [None] * self.shards
        self._arrived = self._ended = 0
        self._abandoned = False
        for start in self._starts[1:]:
            start.release()
        self._run_shard(0)
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
        while True:
            self._starts[shard].acquire()
            if self._closed:
                return
            self._run_shard(shard)

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
