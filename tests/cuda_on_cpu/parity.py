"""A kernel's device version against its reference, on the cases of the kernels' own tests; any device."""

from collections.abc import Callable
from typing import Any

import numpy as np
from kernels.cases import CASES

from dlkit.kernels.registry import Kernel

__all__ = ["CASES", "TOLERANCE", "check"]

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    return tuple(_mapped(v, change) for v in value) if isinstance(value, tuple) else change(value)


def _exact(value: Any) -> Any:
    """A copy in which floating arrays are float64: the reference shall not round."""
    if not isinstance(value, np.ndarray):
        return value
    return value.astype(np.float64) if value.dtype.kind == "f" else value.copy()


def check(kernel: Kernel, case: Any, dtype: str, xp: Any) -> None:
    """Run one case on `xp`'s device. Raises AssertionError that names kernel, case and argument."""
    args = case.make(np.random.default_rng(7), np.dtype(dtype).type)
    expected = _mapped(args, _exact)
    device = _mapped(args, lambda value: xp.asarray(value) if isinstance(value, np.ndarray) else value)
    with np.errstate(all="ignore"):
        kernel.reference(*expected)
    kernel(*device)
    found = _mapped(device, lambda value: value.get() if isinstance(value, xp.ndarray) else value)
    for name, before, want, got in zip(kernel.arguments, args, expected, found, strict=True):
        place = f"{kernel.name}({case.label}): {name}"
        if name not in kernel.updates:
            np.testing.assert_equal(got, before, err_msg=f"{place}: changed, but not in updates")
        else:
            assert got.dtype == before.dtype, place
            _compare(got, want, TOLERANCE[dtype], place)


def _compare(got: np.ndarray, want: np.ndarray, tolerance: float, place: str) -> None:
    """Relative to the largest number: sums may cancel."""
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0) if want.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * scale, err_msg=place)
