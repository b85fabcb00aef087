"""Opening devices: the CPU as it is, and every way a GPU can be unusable told apart in one line."""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlkit.backend import open_backend
from dlkit.errors import UsageError, UserError


class RuntimeFailure(Exception):
    """Stands for CUDARuntimeError."""


class OutOfMemoryError(MemoryError):
    """Stands for CuPy's."""


def fake_cupy(*, driver: int = 12080, devices: int | Exception = 1, product: Exception | None = None) -> Any:
    """A module that answers open_backend's questions as told."""

    class Pool:
        limit = 0

        def set_limit(self, size: int) -> None:
            self.limit = size

    class Array:
        def __matmul__(self, other: Any) -> Any:
            if product:
                raise product
            return np.full((2, 2), 2.0)

    def count() -> int:
        if isinstance(devices, Exception):
            raise devices
        return devices

    pool = Pool()
    module = ModuleType("cupy")
    module.__dict__.update(
        ones=lambda shape, dtype: Array(),
        get_default_memory_pool=lambda: pool,
        cuda=SimpleNamespace(
            runtime=SimpleNamespace(
                getDeviceCount=count, driverGetVersion=lambda: driver, CUDARuntimeError=RuntimeFailure
            ),
            Device=lambda number: SimpleNamespace(use=lambda: module.__dict__.update(chosen=number)),
        ),
        pool=pool,
    )
    return module


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUPY_TF32", "as it was")


def why_not(monkeypatch: pytest.MonkeyPatch, cupy: Any, device: str = "gpu", **options: Any) -> str:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(UserError) as caught:
        open_backend(device, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.exit_code == 1
    return text


# -- CPU ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cpu(dtype: str) -> None:
    backend = open_backend("cpu", dtype=dtype)
    assert (backend.name, backend.device, backend.dtype, backend.xp) == ("cpu", "cpu", np.dtype(dtype), np)
    assert backend.empty((2, 3)).dtype == dtype
    assert backend.zeros(4, np.int64).dtype == np.int64
    assert backend.peak_memory() > 1_000_000
    backend.synchronize()


def test_asarray_converts_floats_only_and_copies_only_then() -> None:
    backend = open_backend()
    same = np.ones(3, np.float32)
    assert backend.asarray(same) is same
    assert backend.asarray(np.ones(3)).dtype == np.float32
    assert backend.asarray(np.ones(3), np.float64).dtype == np.float64
    labels = np.arange(3)
    assert backend.asarray(labels) is labels
    assert backend.asarray(np.zeros(2, bool)).dtype == bool
    assert backend.asarray([1.5, 2]).dtype == np.float32
    assert backend.asarray(np.ones((4, 4), np.float32)[:, ::2]).flags.c_contiguous
    assert backend.asarray(np.float64(2)).shape == ()
    assert backend.to_host(same) is same


@pytest.mark.parametrize("device", ["", "cuda", "gpu:", "gpu:x", "gpu:-1", "cpu:0", "gpu:1:2"])
def test_unknown_devices_are_usage_errors(device: str) -> None:
    with pytest.raises(UsageError, match="expected cpu, gpu or gpu:N"):
        open_backend(device)


def test_unknown_type_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="float32 or float64, got 'float16'"):
        open_backend(dtype="float16")


# -- GPU ----------------------------------------------------------------------------------------
def test_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = why_not(monkeypatch, None)  # None in sys.modules makes the import fail
    assert "CuPy, which is not installed" in text and "dlkit[gpu]" in text


def test_driver_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = RuntimeFailure("cudaErrorInsufficientDriver: CUDA driver version is insufficient\nmore")
    text = why_not(monkeypatch, fake_cupy(driver=0, devices=failing))
    assert "no NVIDIA driver found" in text


def test_no_device_by_error(monkeypatch: pytest.MonkeyPatch) -> None:
    text = why_not(monkeypatch, fake_cupy(devices=RuntimeFailure("cudaErrorNoDevice: no device\nmore")))
    assert "offers no GPU: cudaErrorNoDevice: no device" in text


def test_no_device_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "reports no GPU" in why_not(monkeypatch, fake_cupy(devices=0))


def test_toolkit_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = RuntimeError("Failed to find libnvrtc.so\nlong story")
    text = why_not(monkeypatch, fake_cupy(product=failing))
    assert "toolkit is missing: Failed to find libnvrtc.so" in text and "cupy-cuda12x[ctk]" in text


def test_memory_gone_at_the_start_is_not_called_a_missing_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    text = why_not(monkeypatch, fake_cupy(product=OutOfMemoryError("Out of memory allocating 16 bytes")))
    assert "out of memory" in text and "toolkit" not in text


def test_number_beyond_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no gpu:2" in why_not(monkeypatch, fake_cupy(devices=2), "gpu:2")
    assert "gpu:0 only" in why_not(monkeypatch, fake_cupy(), "gpu:1")


@pytest.mark.parametrize(("tf32", "setting"), [(False, "0"), (True, "1")])
def test_usable(monkeypatch: pytest.MonkeyPatch, tf32: bool, setting: str) -> None:
    cupy = fake_cupy(devices=3)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    backend = open_backend("gpu:1", memory_limit=10**9, tf32=tf32)
    assert (backend.name, backend.device) == ("gpu", "gpu:1")
    assert cupy.chosen == 1
    assert cupy.pool.limit == 10**9
    assert os.environ["CUPY_TF32"] == setting


@pytest.mark.parametrize(("local_rank", "number"), [(0, 0), (1, 1), (2, 0)])
def test_ranks_of_a_machine_share_out_its_gpus(
    monkeypatch: pytest.MonkeyPatch, local_rank: int, number: int
) -> None:
    cupy = fake_cupy(devices=2)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert open_backend("gpu", local_rank=local_rank).device == f"gpu:{number}"
    assert cupy.chosen == number
    assert open_backend("gpu:1", local_rank=local_rank).device == "gpu:1"
