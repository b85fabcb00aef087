"""Out of memory in one line: what was asked for, what is free, and what to lower."""

import numpy as np
import pytest

from dlkit.backend import Backend, open_backend
from dlkit.backend.memory import amount
from dlkit.errors import UserError


class OutOfMemoryError(MemoryError):
    """Stands for CuPy's, whose text it has."""


class Small(Backend):
    device = "gpu:0"

    def free_memory(self) -> int:
        return 512_000_000


def test_numpys_error() -> None:
    backend = open_backend()
    with pytest.raises(UserError) as caught, backend.memory_errors("the activations", "batch"):
        np.empty(2**59, np.float32)
    assert str(caught.value).startswith("out of memory on cpu for the activations (asked for ")
    assert str(caught.value).endswith("(lower batch)")


def test_cupys_error() -> None:
    said = "Out of memory allocating 3,221,225,472 bytes (allocated so far: 5 bytes)."
    with pytest.raises(UserError) as caught, Small().memory_errors("a step of 512", "batch"):
        raise OutOfMemoryError(said)
    line = "out of memory on gpu:0 for a step of 512 (asked for 3.2 GB, 512 MB free) (lower batch)"
    assert str(caught.value) == line


def test_error_that_tells_nothing() -> None:
    with pytest.raises(UserError) as caught, open_backend().memory_errors("it", "batch"):
        raise MemoryError
    assert str(caught.value) == "out of memory on cpu for it (lower batch)"


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), open_backend().memory_errors("it", "batch"):
        raise KeyError("x")


def test_nothing_raised() -> None:
    with open_backend().memory_errors("it", "batch"):
        pass


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (41_000_000, "41 MB"), (3_400_000_000, "3.4 GB")],
)
def test_amount(size: int, text: str) -> None:
    assert amount(size) == text
