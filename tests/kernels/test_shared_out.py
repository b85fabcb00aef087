"""Kernels in parts: what lanes compute is what one call computes, whoever does it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import CASES, Case
from kernels.test_every_kernel import ROUNDING, arrays, copied

from dlkit.backend.threads import ProductTeam, hold_blas_at_one_thread
from dlkit.kernels import registry
from dlkit.kernels.dense import bias_activation

hold_blas_at_one_thread()
KERNELS = registry.load_all()
SHARED = [case for name in sorted(CASES) for case in CASES[name][-1:] if KERNELS[name].rows_cut]


@pytest.fixture(scope="module")
def teams() -> list[ProductTeam]:
    """Two and three parts, by as many threads, and three parts by one thread."""
    return [ProductTeam(2, 2), ProductTeam(3, 3), ProductTeam(1, 3)]


@pytest.mark.parametrize("case", SHARED, ids=lambda c: f"{c.kernel}({c.label})")
def test_parts_make_the_whole(case: Case, teams: list[ProductTeam], monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the order of sums; a matrix product of fewer rows may be summed in another order, too."""
    monkeypatch.setattr(registry, "SMALLEST", 0)
    kernel = KERNELS[case.kernel]
    args = case.make(np.random.default_rng(1), np.float32)
    whole = copied(args)
    kernel(*whole)
    found = []
    for team in teams:
        parts = copied(args)
        assert team.share is not None
        team.share(kernel, *parts)
        found.append(arrays(kernel, parts))
    summed = {kernel.arguments[i] for i in kernel.places_of_sums}
    for name, expected in arrays(kernel, whole).items():
        if name in kernel.own:
            continue
        assert found[1][name].tobytes() == found[2][name].tobytes(), f"{name}: the threads change its bits"
        if name not in summed and not kernel.own:
            assert found[0][name].tobytes() == expected.tobytes(), name
            continue
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        for result in found:
            np.testing.assert_allclose(result[name], expected, rtol=0, atol=30 * ROUNDING[np.float32] * scale)


def exact_outputs(team: ProductTeam) -> dict[str, str]:
    """What each kernel makes in parts, where no sum's order is in it: kernel and argument -> digest."""
    made = {}
    for case in SHARED:
        kernel, args = KERNELS[case.kernel], case.make(np.random.default_rng(1), np.float32)
        team.share(kernel, *args)
        if not kernel.own:
            summed = {kernel.arguments[i] for i in kernel.places_of_sums}
            for name, array in arrays(kernel, args).items():
                if name not in summed:
                    made[f"{kernel.name} {name}"] = hashlib.sha256(array.tobytes()).hexdigest()
    return made


def test_the_bits_do_not_depend_on_what_was_called_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose first calls are in parts (training), beside one that called whole kernels (figures)."""
    monkeypatch.setattr(registry, "SMALLEST", 0)
    for case in SHARED:
        KERNELS[case.kernel](*case.make(np.random.default_rng(1), np.float32))
    with ProductTeam(2, 2) as team:
        after_figures = exact_outputs(team)
    program = (
        "import json, sys; sys.path[:0] = sys.argv[1:]; from dlkit.kernels import registry; "
        "registry.SMALLEST = 0; from kernels.test_shared_out import ProductTeam, exact_outputs\n"
        "with ProductTeam(2, 2) as team: print(json.dumps(exact_outputs(team)))"
    )
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", program, str(tests), str(tests.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == after_figures and len(after_figures) > 20


def test_what_is_small_or_has_few_rows_is_left_whole() -> None:
    one = np.zeros(1, np.float32)
    for rows, columns, expected in ((64, 1024, 64), (64, 64, 0), (1, 100_000, 0)):
        z = np.zeros((rows, columns), np.float32)
        assert bias_activation.rows((z, z[0], one, 1), 2) == expected


def test_a_failing_part_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled function that raises in a lane ends the call with an error, not silently."""

    def fails(z, a):  # type: ignore[no-untyped-def]
        if z[0] > a[0]:
            raise ValueError
        z[0] = a[0]

    def reference(z: np.ndarray, a: np.ndarray) -> None:
        """z, a: (n,)."""

    made = registry.Kernel(
        "fails", reference, cpu=fails, cuda=None, gpu=None, check=None, updates="z", rows="z", own="", sums=""
    )
    with ProductTeam(2, 2) as team:
        assert team.share is not None
        team.share(made, np.zeros(10_000, np.float32), np.ones(1, np.float32))
        with pytest.raises(RuntimeError, match="a part of its rows"):
            team.share(made, np.full(10_000, 2, np.float32), np.ones(1, np.float32))


def test_a_call_laid_down_for_another_compilation_is_not_found(tmp_path: Path) -> None:
    """Numba names what it compiles by a count of its process. A layer on disk that calls such a name must not
    be taken where the kernel was compiled anew, by another process: it would call what is not there."""
    program = (
        "import sys, numpy as np; from dlkit.backend.threads import ProductTeam\n"
        "from dlkit.kernels.compile import compiled; from dlkit.kernels.dense import bias_activation\n"
        "[compiled(eval(f'lambda x: x + {i}'))(1) for i in range(int(sys.argv[1]))]\n"
        "z, b = np.zeros((64, 256), np.float32), np.ones(256, np.float32)\n"
        "with ProductTeam(2, 2) as team: team.share(bias_activation, z, b, np.zeros(1, np.float32), 1)\n"
        "assert (z == 1).all()"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for others in ("0", "5"):
        command = [sys.executable, "-c", program, others]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        for kept in tmp_path.rglob("dense.*"):
            kept.unlink()
