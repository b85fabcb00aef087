"""Ranks as threads of one process: what they exchange meets at a barrier."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

from dlkit.backend.machines import Comm

PATIENCE = 20.0
"""Seconds after which a rank that waits for another is left alone; an error if it happens."""


class ThreadComm(Comm):
    def __init__(self, rank: int, board: list[Any], barrier: threading.Barrier) -> None:
        super().__init__()
        self.rank, self.size = rank, len(board)
        self.board, self.barrier = board, barrier
        self.messages = 0

    def gather(self, value: Any) -> list[Any]:
        self.messages += 1
        self.board[self.rank] = pickle.dumps(value)  # as MPI does: nothing is shared
        self.barrier.wait(PATIENCE)
        everyone = [pickle.loads(one) for one in self.board]
        self.barrier.wait(PATIENCE)
        return everyone


def on_ranks(size: int, act: Callable[[ThreadComm], Any]) -> list[Any]:
    """act(comm) on `size` ranks; what each returned or raised."""
    board, barrier = [None] * size, threading.Barrier(size)
    outcomes: list[Any] = [None] * size

    def work(rank: int) -> None:
        try:
            outcomes[rank] = act(ThreadComm(rank, board, barrier))
        except threading.BrokenBarrierError:
            outcomes[rank] = TimeoutError(f"rank {rank} was left alone")
        except BaseException as error:
            outcomes[rank] = error

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
