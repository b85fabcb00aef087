"""What ranks may ask of each other, on threads; the same on MPI is in test_mpi.py."""

import numpy as np
import pytest
from thread_ranks import ThreadComm, on_ranks

from dlkit.backend.machines import Alone
from dlkit.errors import DataError


def test_sums_run_in_rank_order() -> None:
    terms = [np.array([1e8], np.float32), np.array([-1e8], np.float32), np.array([1], np.float32)]

    def act(comm: ThreadComm) -> float:
        mine = terms[comm.rank].copy()
        comm.all_sum(mine)
        return float(mine[0])

    assert on_ranks(3, act) == [1.0, 1.0, 1.0]
    terms.reverse()
    assert on_ranks(3, act) == [0.0, 0.0, 0.0]


def test_sums_are_in_place_and_exact_for_counts() -> None:
    def act(comm: ThreadComm) -> np.ndarray:
        mine = np.full((2, 3), 2**60 + comm.rank)
        comm.all_sum(mine)
        return mine

    for total in on_ranks(2, act):
        assert total.dtype == np.int64 and (total == 2**61 + 1).all()


def test_counts_by_key_keep_the_order_of_the_ranks() -> None:
    parts = [{"b": 1, "a": 2}, {"c": 5, "a": 1}, {}]
    for total in on_ranks(3, lambda comm: comm.sum_counts(parts[comm.rank])):
        assert list(total.items()) == [("b", 1), ("a", 3), ("c", 5)]


def test_rows_are_put_below_each_other() -> None:
    for rows in on_ranks(3, lambda comm: comm.gather_rows(np.full((comm.rank, 2), comm.rank))):
        assert rows.tolist() == [[1, 1], [2, 2], [2, 2]]


def test_rank_0_acts_once_for_all() -> None:
    acted = []

    def act(comm: ThreadComm) -> str:
        return comm.once(lambda: acted.append(comm.rank) or "done")

    assert on_ranks(3, act) == ["done"] * 3
    assert acted == [0]


def test_the_error_of_rank_0_is_raised_on_all() -> None:
    def bad() -> None:
        raise DataError("not a number", where="x.csv:3")

    outcomes = on_ranks(2, lambda comm: comm.once(bad))
    assert [str(one) for one in outcomes] == ["x.csv:3: not a number"] * 2


def test_all_stop_for_a_signal_that_one_received() -> None:
    def act(comm: ThreadComm) -> list[int | None]:
        seen = []
        for step in range(4):
            comm.all_sum(np.zeros(1))
            seen.append(comm.heed(15 if comm.rank == 1 and step >= 1 else None))
        return seen

    assert on_ranks(3, act) == [[None, None, 15, 15]] * 3
    assert on_ranks(2, lambda comm: comm.agree(2 if comm.rank else None)) == [2, 2]


def test_alone_nothing_is_exchanged() -> None:
    comm, x = Alone(), np.arange(3.0)
    comm.all_sum(x)
    assert x.tolist() == [0, 1, 2] and comm.gather_rows(x) is not None and comm.size == 1
    assert comm.heed(2) == 2 and comm.heed(None) is None and comm.agree(None) is None
    assert comm.broadcast("x") == "x" and comm.sum_counts({"a": 1}) == {"a": 1}
    with pytest.raises(ZeroDivisionError):
        comm.once(lambda: 1 // 0)
