"""The feeder hands out the same batches in the same order; on the device through pinned memory, one ahead."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cupy_stand_in.module import installed

from dlkit.backend import Backend, open_backend
from dlkit.backend.feeder import Feeder


@pytest.fixture(params=["cpu", "gpu"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "cpu":
        yield open_backend()
        return
    with installed():
        yield open_backend("gpu")


def batches(sizes: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((n, 3)).astype(np.float32), rng.integers(0, 9, n)) for n in sizes]


@pytest.mark.parametrize("sizes", [[], [4], [4, 4], [4, 4, 4, 4, 2], [1, 5, 3, 9, 0, 2]])
def test_same_batches_in_order(backend: Backend, sizes: list[int]) -> None:
    made = batches(sizes)
    feeder = Feeder(backend)
    for _ in range(2):  # the buffers of the first epoch serve the second
        got = [tuple(backend.to_host(a).copy() for a in batch) for batch in feeder(made)]
        assert len(got) == len(made)
        for mine, theirs in zip(got, made, strict=True):
            for a, b in zip(mine, theirs, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_types_that_alternate(backend: Backend) -> None:
    types = (np.uint8, np.float64, np.float32, np.int64)
    made: list[tuple[Any, ...]] = [(np.arange(8, dtype=t),) for t in types]
    for (a,), (b,) in zip(Feeder(backend)(made), made, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(backend.to_host(a), b)


def test_one_ahead_on_the_device() -> None:
    """The batch after the one handed out has been taken from the source already."""
    with installed():
        taken = 0

        def source() -> Iterator[tuple[np.ndarray]]:
            nonlocal taken
            for k in range(4):
                taken += 1
                yield (np.full(2, k),)

        for k, _ in enumerate(Feeder(open_backend("gpu"))(source())):
            assert taken == min(k + 2, 4)


def test_stopping_early_leaves_the_feeder_usable(backend: Backend) -> None:
    feeder = Feeder(backend)
    made = batches([4, 4, 4])
    for _ in feeder(made):
        break
    assert len(list(feeder(made))) == 3
