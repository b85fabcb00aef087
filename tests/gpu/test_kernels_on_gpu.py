"""`pytest -m gpu`: every CUDA kernel on a real device equals its reference, twice with the same bits."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.parity import CASES, TOLERANCE, check

from dlkit.kernels.registry import load_all

pytestmark = pytest.mark.gpu
KERNELS = {name: kernel for name, kernel in sorted(load_all().items()) if kernel.gpu}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", KERNELS)
def test_equals_its_reference(name: str, dtype: str) -> None:
    import cupy

    for case in CASES[name]:
        check(KERNELS[name], case, dtype, cupy)


@pytest.mark.parametrize("name", KERNELS)
def test_gives_the_same_bits_again(name: str) -> None:
    import cupy

    def run(case: Any) -> list[np.ndarray]:
        args = case.make(np.random.default_rng(3), np.float32)
        device = [_on_device(cupy, value) for value in args]
        KERNELS[name](*device)
        return [
            value.get()
            for argument, value in zip(KERNELS[name].arguments, device, strict=True)
            if argument in KERNELS[name].updates
        ]

    for case in CASES[name]:
        for first, second in zip(run(case), run(case), strict=True):
            np.testing.assert_array_equal(first, second, err_msg=case.label)


def _on_device(cupy: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_on_device(cupy, part) for part in value)
    return cupy.asarray(value) if isinstance(value, np.ndarray) else value
