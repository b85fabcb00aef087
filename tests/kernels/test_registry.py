"""The registry: lazy imports, dispatch, refusals."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.kernels import registry
from dlkit.kernels.registry import kernel, load_all


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "KERNELS", {})


def double_reference(x: Any, factor: float, times: int, y: Any) -> None:
    """y = x factor^times."""
    y[...] = x * factor**times


def test_importing_the_kernels_imports_neither_numba_nor_cupy() -> None:
    program = (
        "import sys\n"
        "from dlkit.kernels.registry import load_all\n"
        "assert load_all()\n"
        "print(sorted({'numba', 'llvmlite', 'cupy', 'threadpoolctl'} & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_loading_twice_gives_the_same_kernels() -> None:
    assert load_all() is load_all()
    assert all(name == k.name for name, k in load_all().items())


@pytest.mark.usefixtures("empty_registry")
def test_reference_serves_where_there_is_no_other() -> None:
    made = kernel("double", double_reference, updates="y")
    x, y = np.arange(3.0), np.empty(3)
    made(x, 2, True, y)
    np.testing.assert_array_equal(y, [0, 2, 4])
    assert "double(x, factor, times, y)" in repr(made)


@pytest.mark.usefixtures("empty_registry")
def test_numbers_become_python_floats_and_integers() -> None:
    """So that NumPy scalars do not compile the kernel once more for each of their types."""
    seen: list[type] = []

    def reference(x: Any, factor: float, times: int) -> None:
        """x is left as it is."""
        seen.extend([type(factor), type(times)])

    made = kernel("types", reference, updates="x")
    made(np.zeros(1), np.float32(2), np.int32(3))
    made(np.zeros(1), 2, True)
    assert seen == [float, int, float, int]


@pytest.mark.usefixtures("empty_registry")
def test_one_signature_for_all_kinds_of_numbers() -> None:
    def cpu(x, factor, times, y):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            y[i] = x[i] * factor**times

    made = kernel("double", double_reference, cpu=cpu, updates="y")
    for factor, times in ((2, 1), (2.0, np.int64(1)), (np.float32(2), True)):
        made(np.arange(3.0), factor, times, np.empty(3))
    assert len(made.compiled.signatures) == 1  # type: ignore[attr-defined]


@pytest.mark.usefixtures("empty_registry")
def test_names_are_unique_and_updates_are_arguments() -> None:
    kernel("double", double_reference, updates="y")
    with pytest.raises(ValueError, match="double is registered twice"):
        kernel("double", double_reference, updates="y")
    for updates in ("", "z", "y z"):
        with pytest.raises(ValueError, match="updates"):
            kernel("other", double_reference, updates=updates)


@pytest.mark.usefixtures("empty_registry")
def test_arrays_of_the_gpu_go_to_the_gpu_version() -> None:
    class DeviceArray:
        dtype, ndim = np.dtype(np.float64), 1

    calls: list[Any] = []

    def gpu(launch: Any, *args: Any) -> None:
        calls.append((launch.real, args))

    x, y = DeviceArray(), DeviceArray()
    kernel("double", double_reference, gpu=gpu, updates="y")(x, 2, 1, y)
    assert calls == [(np.dtype(np.float64), (x, 2.0, 1, y))]
    with pytest.raises(TypeError, match="no GPU version"):
        kernel("other", double_reference, updates="y")(x, 2, 1, y)


@pytest.mark.usefixtures("empty_registry")
def test_check_runs_first() -> None:
    def check(x: Any, *rest: Any) -> None:
        raise ValueError("double: not this")

    made = kernel("double", double_reference, check=check, updates="y")
    y = np.zeros(3)
    with pytest.raises(ValueError, match="not this"):
        made(np.arange(3.0), 2, 1, y)
    assert not y.any()


def test_no_place_for_a_cache_is_no_obstacle() -> None:
    """A read-only installation without a home: the kernels compile anew."""
    program = (
        "import numpy as np\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # none finds a writable place
        "from dlkit.kernels.descent import sgd\n"
        "p = np.ones(3, np.float32)\n"
        "sgd(p, p.copy(), 0.5, 0.0)\n"
        "assert p.tolist() == [0.5] * 3\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_cache_forgets_what_was_made_of_other_functions(tmp_path: Path) -> None:
    """A kernel's file is unchanged, but a function and a constant that it takes from another file are not."""
    package = tmp_path / "dlkit" / "trial"
    package.mkdir(parents=True)
    (package / "kernel.py").write_text(
        "from dlkit.trial.parts import ADDED, raised\n"
        "def cpu(x, y):\n    for i in range(x.size):\n        y[i] = raised(x[i]) + ADDED\n",
        encoding="utf-8",
    )
    program = (
        "import sys, numpy as np, dlkit\n"
        f"dlkit.__path__.append({str(package.parent)!r})\n"
        "from dlkit.kernels.compile import compile_cpu\n"
        "from dlkit.trial.kernel import cpu\n"
        "y = np.empty(1)\n"
        "for made in (compile_cpu(cpu), compile_cpu(cpu)):\n"
        "    made(np.array([3.0]), y)\n"
        "    print(y[0], sum(made.stats.cache_hits.values()))\n"
    )

    def run(power: int, added: int) -> list[str]:
        text = f"ADDED = {added}\ndef raised(x):\n    return x**{power}\n"
        (package / "parts.py").write_text(text, encoding="utf-8")
        cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | cache)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    assert run(1, 0) == ["3.0 0", "3.0 1"]
    assert run(2, 0) == ["9.0 0", "9.0 1"]
    assert run(2, 5) == ["14.0 0", "14.0 1"]
