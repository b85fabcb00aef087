"""What test_mpi.py starts on several ranks: mpi_program.py TASK [ARGUMENTS]."""

import os
import sys
from pathlib import Path

import numpy as np

from dlkit.backend.launch import launched, open_machines
from dlkit.cli import main
from dlkit.errors import DataError


def interface() -> None:
    """Every call of the interface against what it should give."""
    comm = open_machines()
    rng = np.random.default_rng(comm.rank)
    for fixed_order in (True, False):
        comm.fixed_order = fixed_order
        for n in (0, 1, 5, 511, 2049, 10_001):  # below and above the limit of small sums
            for dtype in (np.float32, np.float64, np.int64):
                mine = (rng.standard_normal(n) * 100).astype(dtype)
                parts = comm.gather(mine)
                expected = parts[0].copy()
                for part in parts[1:]:
                    expected += part
                comm.all_sum(mine)
                if fixed_order:
                    np.testing.assert_array_equal(mine, expected)
                else:
                    np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-3)
    rows = comm.gather_rows(np.full((comm.rank, 2), comm.rank))
    assert rows.tolist() == [[r, r] for r in range(comm.size) for _ in range(r)]
    assert comm.gather_rows(np.zeros((0, 3))).shape == (0, 3)
    counts = comm.sum_counts({f"of {comm.rank}": 1, "all": 2})
    assert list(counts.items())[:2] == [("of 0", 1), ("all", 2 * comm.size)] and len(counts) == comm.size + 1
    assert comm.broadcast(f"rank {comm.rank}") == "rank 0"
    comm.heed(15 if comm.rank == comm.size - 1 else None)
    comm.all_sum(np.zeros(3))
    assert comm.heed(None) == 15
    try:
        comm.once(broken)
    except DataError as error:
        assert str(error) == "x.csv:3: not a number"
    comm.all_sum(np.zeros((4, 4))[:, 0].copy())
    content = sum(comm.gather(1))
    if comm.rank == 0:  # what several ranks print may be mixed by the launcher
        print(f"{content} ranks are content", flush=True)


def broken() -> None:
    raise DataError("not a number", where="x.csv:3")


def elsewhere(folder: str, *arguments: str) -> int:
    """Run a command line, the last rank in another folder."""
    told = launched()
    if told is not None and told.rank == told.size - 1:
        os.chdir(Path(folder))
    return main(arguments)


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    sys.exit({"interface": interface, "elsewhere": elsewhere}[task](*rest))
