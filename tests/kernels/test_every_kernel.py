"""Every kernel: its implementation against its reference, its gradients against its forward pass."""

import inspect
import re
from typing import Any

import numpy as np
import pytest
from kernels.cases import CASES, Case
from kernels.gradients import GRADIENTS

from dlkit.kernels import compile as compiling
from dlkit.kernels.registry import Kernel, load_all

KERNELS = load_all()
REALS = (np.float32, np.float64)
ALL = [case for name in sorted(CASES) for case in CASES[name]]
LARGEST = [CASES[name][-1] for name in sorted(CASES)]
DIFFERENTIATED = {"dx", "dz", "da", "db", "dgamma", "dbeta", "dw", "dh"}
"""Arguments that are gradients of something: a kernel that writes one needs a gradient check."""
IN_FLOAT64 = {"squared_norm", "als_solve", "mf_sgd", "nmf_rows", "svdpp_users", "embed_windows", "likeliest"}
"""Kernels meant to compute in float64 whatever they are given: sums of errors, a Cholesky factor."""
SCATTERS = {"fill_blocks", "td_episodes", "change_weights"}
"""Kernels that put each number at a place of its own: there is nothing to vectorise."""
ROUNDING = {np.float32: 3e-6, np.float64: 1e-13}
"""Error allowed beside the largest entry: some ten roundings (sums grow with the root of their length)."""

by_case = pytest.mark.parametrize("case", ALL, ids=lambda c: f"{c.kernel}({c.label})")
by_kernel = pytest.mark.parametrize("case", LARGEST, ids=lambda c: c.kernel)
by_real = pytest.mark.parametrize("real", REALS, ids=["float32", "float64"])


def copied(args: tuple[Any, ...], real: type | None = None) -> tuple[Any, ...]:
    """A deep copy, floating arrays converted to `real`."""

    def one(a: Any) -> Any:
        if isinstance(a, tuple):
            return tuple(map(one, a))
        if not isinstance(a, np.ndarray):
            return a
        return a.astype(real) if real is not None and a.dtype.kind == "f" else a.copy()

    return tuple(map(one, args))


def arrays(kernel: Kernel, args: tuple[Any, ...]) -> dict[str, np.ndarray]:
    """The array arguments by name; those of a tuple are numbered."""
    found: dict[str, np.ndarray] = {}
    for name, a in zip(kernel.arguments, args, strict=True):
        for i, part in enumerate(a if isinstance(a, tuple) else (a,)):
            if isinstance(part, np.ndarray):
                found[f"{name}[{i}]" if isinstance(a, tuple) else name] = part
    return found


def assert_agrees(kernel: Kernel, got: tuple[Any, ...], wanted: tuple[Any, ...], real: type) -> None:
    """The outputs `got` are those of the reference, up to `real`'s rounding."""
    expected = arrays(kernel, wanted)
    for name, a in arrays(kernel, got).items():
        if name not in kernel.updates:
            continue
        e = expected[name]
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, e, err_msg=name)
            continue
        finite = e[np.isfinite(e)]
        scale = max(1.0, float(np.abs(finite).max(initial=0)))
        tolerance = ROUNDING[real] * max(1.0, e.size and (_longest(got) / e.size) ** 0.5)
        np.testing.assert_allclose(a, e, rtol=10 * ROUNDING[real], atol=tolerance * scale, err_msg=name)


def _longest(args: tuple[Any, ...]) -> int:
    parts = (part for a in args for part in (a if isinstance(a, tuple) else (a,)))
    return max(part.size for part in parts if isinstance(part, np.ndarray))


# -- what must exist ----------------------------------------------------------------------------
def test_every_kernel_has_reference_and_cases() -> None:
    assert set(CASES) == set(KERNELS), "kernels without cases, or cases without a kernel"
    for name, kernel in KERNELS.items():
        assert callable(kernel.reference), name
        assert inspect.getdoc(kernel.reference), f"{name}: the reference says nothing of its arguments"
        assert len(CASES[name]) >= 3, f"{name}: empty, one and odd sizes are the least"


def test_every_gradient_is_checked() -> None:
    writes_gradients = {name for name, k in KERNELS.items() if k.updates & DIFFERENTIATED}
    assert writes_gradients <= set(GRADIENTS), "gradient kernels without a check"


def test_every_cuda_source_is_launched() -> None:
    for name, kernel in KERNELS.items():
        assert (kernel.gpu is None) <= (kernel.cuda is None), f"{name}: CUDA source that nothing launches"
        if kernel.cuda:
            assert kernel.functions, f"{name}: no __global__ function"


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_signatures_are_equal(name: str) -> None:
    kernel = KERNELS[name]
    if kernel.cpu is not None:
        assert tuple(inspect.signature(kernel.cpu).parameters) == kernel.arguments
    if kernel.gpu is not None:
        assert tuple(inspect.signature(kernel.gpu).parameters) == ("launch", *kernel.arguments)


# -- values -------------------------------------------------------------------------------------
@by_real
@by_case
def test_agrees_with_reference(case: Case, real: type) -> None:
    kernel = KERNELS[case.kernel]
    args = case.make(np.random.default_rng(1), real)
    wanted = copied(args, np.float64)
    got = copied(args)
    kernel.reference(*wanted)
    kernel(*got)
    assert_agrees(kernel, got, wanted, real)
    before = arrays(kernel, args)
    for name, a in arrays(kernel, got).items():
        assert a.dtype == before[name].dtype
        if name not in kernel.updates | kernel.own:
            np.testing.assert_array_equal(a, before[name], err_msg=f"{name} is not among updates")


@by_real
@by_kernel
def test_reference_keeps_types_and_inputs(case: Case, real: type) -> None:
    kernel = KERNELS[case.kernel]
    args = case.make(np.random.default_rng(1), real)
    got = copied(args)
    kernel.reference(*got)
    before = arrays(kernel, args)
    for name, a in arrays(kernel, got).items():
        assert a.dtype == before[name].dtype
        if name not in kernel.updates:
            np.testing.assert_array_equal(a, before[name], err_msg=name)


@by_real
@by_kernel
def test_nan_comes_out(case: Case, real: type) -> None:
    """Wherever the reference answers NaN for a NaN among the inputs, so does the compiled code."""
    kernel = KERNELS[case.kernel]
    args = case.make(np.random.default_rng(2), real)
    pure_outputs = {n for n, a in arrays(kernel, args).items() if a.dtype.kind == "f" and np.isnan(a).all()}
    for name, a in arrays(kernel, args).items():
        if a.dtype.kind != "f" or name in pure_outputs:
            continue
        spoiled = copied(args)
        arrays(kernel, spoiled)[name].flat[a.size // 2] = np.nan
        wanted = copied(spoiled, np.float64)
        with np.errstate(invalid="ignore"):
            kernel.reference(*wanted)
        kernel(*spoiled)
        expected = arrays(kernel, wanted)
        for out in kernel.updates:
            if expected[out].dtype.kind == "f":
                lost = np.isnan(expected[out]) & ~np.isnan(arrays(kernel, spoiled)[out])
                assert not lost.any(), f"NaN in {name} does not come out in {out}"


# -- arguments that do not fit --------------------------------------------------------------------
def strided(a: np.ndarray) -> np.ndarray:
    """The same numbers with a gap after each."""
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def other_float(a: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f":
        return a.astype(np.int16)
    return a.astype(np.float64 if a.dtype == np.float32 else np.float32)


def longer(a: np.ndarray) -> np.ndarray:
    return np.concatenate([a, a[..., :1]], -1)


def half(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float16)


@pytest.mark.parametrize("change", [strided, other_float, longer, half], ids=lambda f: f.__name__)
@by_kernel
def test_refuses_what_does_not_fit(case: Case, change: Any) -> None:
    """An array of another layout, type or length is refused by name, or gives the reference's answer."""
    kernel = KERNELS[case.kernel]
    args = case.make(np.random.default_rng(3), np.float32)
    for i, a in enumerate(args):
        if not isinstance(a, np.ndarray | tuple):
            continue
        changed = (*a[:-1], change(a[-1])) if isinstance(a, tuple) else change(a)
        if change is strided and not isinstance(changed, tuple) and changed.flags.c_contiguous:
            continue  # an array of one entry has no gaps
        given = (*copied(args[:i]), changed, *copied(args[i + 1 :]))
        wanted = copied(given)
        try:
            kernel(*given)
        except (TypeError, ValueError) as error:
            assert str(error).startswith(f"{kernel.name}: "), error
        else:
            kernel.reference(*wanted)
            assert_agrees(kernel, given, wanted, np.float32)


# -- gradients --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "label"), [(n, label) for n, checks in sorted(GRADIENTS.items()) for label, _ in checks]
)
def test_gradient_is_the_slope(name: str, label: str) -> None:
    """Central differences in float64 along ten random directions."""
    rng = np.random.default_rng(4)
    function, inputs, gradients = dict(GRADIENTS[name])[label](rng)
    h = 1e-6
    for _ in range(10):
        direction = [rng.standard_normal(a.shape) for a in inputs]
        ahead = function(*[a + h * d for a, d in zip(inputs, direction, strict=True)])
        behind = function(*[a - h * d for a, d in zip(inputs, direction, strict=True)])
        told = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
        assert (ahead - behind) / (2 * h) == pytest.approx(told, rel=1e-6, abs=1e-6)


# -- compiled code ------------------------------------------------------------------------------------
@by_kernel
def test_float32_stays_float32_and_vectorises(case: Case) -> None:
    """In the machine's intermediate code: no conversion to double, and operations on vectors of floats."""
    import numba

    kernel = KERNELS[case.kernel]
    if kernel.cpu is None:
        pytest.skip("the reference is the implementation")
    compiling.compile_cpu(kernel.cpu)  # makes the functions that it calls known
    fresh = numba.njit(nogil=True, fastmath=compiling.FAST, error_model="numpy")(compiling.named(kernel.cpu))
    args = case.make(np.random.default_rng(5), np.float32)
    fresh.compile(tuple(numba.typeof(a) for a in args))
    code = fresh.inspect_llvm(fresh.signatures[0])
    if kernel.name not in IN_FLOAT64:
        assert "fpext" not in code, "a float becomes a double"
    floats = any(a.dtype.kind == "f" for a in arrays(kernel, args).values())
    if floats and kernel.name not in SCATTERS:  # bytes and counts have no such loop
        assert re.search(r"<\d+ x (float|double|i64)>", code), "no loop of this kernel vectorises"
