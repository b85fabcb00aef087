"""Out of memory in one line: what was asked for, what is free, and what to lower."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.backend import Backend, open_backend
from dlkit.backend.memory import amount, available_memory
from dlkit.errors import UserError


class OutOfMemoryError(MemoryError):
    """Stands for CuPy's, whose text it has."""


class Silent(Backend):
    def free_memory(self) -> None:
        return None


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
    with pytest.raises(UserError) as caught, Silent().memory_errors("it", "batch"):
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
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (41_000_000, "41 MB"),
        (3_400_000_000, "3.4 GB"),
        (52_600_000_000_000, "53 TB"),
        (10**400, f"{10**388} TB"),
    ],
)
def test_amount(size: int, text: str) -> None:
    assert amount(size) == text


def test_more_than_is_free_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(UserError) as caught:
        Small().refuse_beyond_memory(512_000_001, "a step of 512", "batch")
    assert str(caught.value) == "a step of 512 needs 512 MB on gpu:0, 512 MB are free (lower batch)"
    Small().refuse_beyond_memory(512_000_000, "a step of 512", "batch")
    Silent().refuse_beyond_memory(10**30, "a step of 512", "batch")


def tell(root: Path, files: dict[str, str]) -> int | None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return available_memory(root)


MEMINFO = {"proc/meminfo": "MemTotal:  9000 kB\nMemFree: 100 kB\nMemAvailable:    8000 kB\n"}


@pytest.mark.parametrize(
    ("folder", "most", "used", "cached"),
    [
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_available_memory(tmp_path: Path, folder: str, most: str, used: str, cached: str) -> None:
    assert tell(tmp_path, {}) is None
    assert tell(tmp_path, MEMINFO) == 8000 * 1024
    group = {f"{folder}/{used}": "600000\n", f"{folder}/memory.stat": f"anon 5\n{cached} 100000\n"}
    assert tell(tmp_path, {**group, f"{folder}/{most}": "max\n"}) == 8000 * 1024
    assert tell(tmp_path, {f"{folder}/{most}": "1000000\n"}) == 500000
    assert tell(tmp_path, {f"{folder}/{most}": "200000\n"}) == 0


def test_this_machine_has_some_memory() -> None:
    free = available_memory()
    assert free is None or free > 1 << 20
