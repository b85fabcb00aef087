"""What is asked of every op, by cases_*.py: exact gradients, untouched inputs, types, layouts."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import dlkit.ops
from dlkit.autograd import Op, Tape, Variable
from dlkit.backend import open_backend


class Contract(Op):
    """sum(c * y): makes one number of any result, so that backward can start."""

    @staticmethod
    def forward(ctx, y, *, c):
        ctx.save(c)
        return ctx.backend.asarray(np.asarray((y * c).sum(), y.dtype))

    @staticmethod
    def backward(ctx, dy):
        return (dy * ctx.saved[0],)


def load_cases() -> dict:
    cases: dict = {}
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases |= module.CASES
    return cases


CASES = load_cases()
each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def arrays_of(case, dtype="float64", seed=1):
    return [np.asarray(a, dtype) for a in case["inputs"](np.random.default_rng(seed))]


def evaluate(case, arrays, *, dtype="float64", gradients=True):
    """(value of sum(c * y), y, gradients of the inputs) on a fresh tape, noise from a fixed seed."""
    tape = Tape(open_backend("cpu", dtype=dtype))
    rows = len(arrays[0]) if case.get("rowwise", True) else None
    training = case.get("training", True)
    tape.begin(training=training, noise=True, rng=np.random.default_rng(7), rows=rows)
    inputs = [tape.constant(a, needs_grad=True) for a in arrays]
    y = case["run"](tape, *inputs)
    c = np.random.default_rng(8).normal(size=y.shape).astype(dtype)
    total = tape.apply(Contract, y, c=c)
    if gradients:
        tape.backward(total)
    return float(total.data), np.array(y.data), [v.grad for v in inputs]


def test_every_op_has_a_case() -> None:
    for module in pkgutil.iter_modules(dlkit.ops.__path__):
        importlib.import_module(f"dlkit.ops.{module.name}")
    ops = {op for op in Op.ALL.values() if op.__module__.startswith("dlkit.")}
    assert {op.__name__ for op in ops - {case["op"] for case in CASES.values()}} == set()


@each_case
def test_gradient_is_the_derivative(case) -> None:
    arrays = arrays_of(case)
    _, _, gradients = evaluate(case, arrays)
    rng = np.random.default_rng(2)
    step = 1e-6
    for k, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[k].shape)

        def along(t: float, k: int = k, direction: np.ndarray = direction) -> float:
            moved = [a + t * direction if i == k else a for i, a in enumerate(arrays)]
            return evaluate(case, moved, gradients=False)[0]

        slope = (along(step) - along(-step)) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=2e-7, abs=1e-8), f"input {k}"


@each_case
def test_inputs_are_left_alone(case) -> None:
    arrays = arrays_of(case)
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False  # an op that writes to its input raises
    evaluate(case, arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


@each_case
def test_float32_stays_float32(case) -> None:
    _, y64, gradients64 = evaluate(case, arrays_of(case))
    _, y32, gradients32 = evaluate(case, arrays_of(case, "float32"), dtype="float32")
    if case["op"].__name__ != "GaussianDropout":  # draws other noise in float32
        np.testing.assert_allclose(y32, y64, rtol=2e-4, atol=2e-5)
        for g32, g64 in zip(gradients32, gradients64, strict=True):
            np.testing.assert_allclose(g32, g64, rtol=2e-3, atol=2e-4)
    assert y32.dtype == np.float32
    assert [g.dtype for g in gradients32] == [np.float32] * len(gradients32)


@each_case
@pytest.mark.parametrize("layout", ["strided", "fortran"])
def test_layout_does_not_matter(case, layout) -> None:
    arrays = arrays_of(case)
    if layout == "fortran":
        other = [np.asfortranarray(a) for a in arrays]
    else:
        other = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays]
    ops_of_layers = case["op"].__module__.endswith(("dense", "norm", "activations", "conv"))
    if (ops_of_layers or case.get("parameters")) and len(arrays) > 1:
        other[1:] = arrays[1:]  # parameters are views of the flat buffer, always contiguous
    _, y, gradients = evaluate(case, arrays)
    _, y_other, gradients_other = evaluate(case, other)
    np.testing.assert_allclose(y_other, y, rtol=1e-13, atol=1e-13)
    for a, b in zip(gradients_other, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@each_case
def test_no_rows_give_zero_gradients(case) -> None:
    if not case.get("rowwise", True):
        pytest.skip("its input has no axis of rows")
    arrays = arrays_of(case)
    rows = len(arrays[0])
    empty = [a[:0] if len(a) == rows and a.ndim > 1 else a for a in arrays]
    _, y, gradients = evaluate(case, empty)
    assert y.size == 0 or y.shape == ()
    assert [g.shape for g in gradients] == [a.shape for a in empty]
    assert all(np.all(g == 0) for g in gradients)


@each_case
def test_only_the_gradients_needed_are_made(case) -> None:
    arrays = arrays_of(case)
    _, _, everything = evaluate(case, arrays)
    for k in range(len(arrays)):
        tape = Tape(open_backend("cpu", dtype="float64"))
        rows = len(arrays[0])
        tape.begin(training=case.get("training", True), noise=True, rng=np.random.default_rng(7), rows=rows)
        inputs = [tape.constant(a, needs_grad=i == k) for i, a in enumerate(arrays)]
        y: Variable = case["run"](tape, *inputs)
        c = np.random.default_rng(8).normal(size=y.shape)
        tape.backward(tape.apply(Contract, y, c=c))
        np.testing.assert_allclose(inputs[k].grad, everything[k], rtol=1e-12)
        assert all(v.grad is None for i, v in enumerate(inputs) if i != k)
