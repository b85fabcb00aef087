"""Every CUDA kernel of the project, run on the CPU by its own launch function, equals its reference.

The cases are those of the kernels' own tests. Each runs with the threads in forward, reverse and shuffled
order, and once with every memory access checked for bounds, races and reads of what was never written.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from cuda_on_cpu.module import ORDERS, KernelError, execution, missing_compiler, sanitizing
from cuda_on_cpu.parity import CASES, TOLERANCE, check
from cupy_stand_in.module import cupy, installed

from dlkit.kernels.registry import Kernel, load_all

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))
KERNELS = {name: kernel for name, kernel in sorted(load_all().items()) if kernel.gpu}
WAYS: dict[str, dict[str, Any]] = {order: {"order": order} for order in ORDERS}
if not sanitizing():
    WAYS["checked"] = {"checked": True}


@pytest.fixture(autouse=True)
def stand_in() -> Iterator[None]:
    with installed():
        yield


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", KERNELS)
def test_equals_its_reference(name: str, dtype: str, way: str) -> None:
    with execution(**WAYS[way]):
        for case in CASES[name]:
            check(KERNELS[name], case, dtype, cupy)


ON_THE_HOST = {
    "segment_words", "segment_characters", "index_spans", "place_keys", "tally_words", "add_rows",
    "score_words", "order_by_row", "scatter_by_row", "mark_latest", "mark_repeats",
    "count_blocks", "fill_blocks",
    "als_solve", "svdpp_users", "implicit_sums", "policy_sweeps", "value_sweep",
    "lda_sample", "lda_list", "lda_fold_in", "draw_windows", "draw_negatives", "tree_targets", "number_rows",
    "change_weights", "softmax_windows", "correlate", "spread", "weight_gradient", "normalise",
    "normalise_backward", "pack_panels", "panel_product", "likeliest",
    "split_panels", "split_product",
}  # fmt: skip
"""Texts are cut and counted, ratings sorted on the host; Cholesky ALS and SVD++ refuse a GPU in one
line; what a policy is worth is computed at the end of an epoch, on the host; lda runs there alone, and
word2vec draws there; a search chooses its words there; convolutions, normalisation and products have other
kernels on a GPU."""


def test_every_kernel_runs_on_the_gpu_and_has_cases() -> None:
    assert KERNELS
    assert {name for name, kernel in load_all().items() if kernel.gpu is None} == ON_THE_HOST
    assert [name for name in KERNELS if not CASES.get(name)] == []


@pytest.mark.skipif(sanitizing(), reason="a broken kernel would end the sanitized process")
@pytest.mark.parametrize(
    ("right", "wrong", "way", "problem"),
    [
        ("p[i] -= lr * (", "p[i] += lr * (", "forward", "Not equal"),
        ("p[i] -= lr * (", "p[i + 1] = lr * (", "forward", "written behind"),
        ("p[i] -= lr * (", "p[i] -= lr * (g[i + 1] - ", "checked", "read of 4 bytes outside every array"),
        ("p[i] -= lr * (", "p[0] -= lr * (", "checked", "race"),
    ],
)
def test_a_broken_kernel_is_found(right: str, wrong: str, way: str, problem: str) -> None:
    sgd = load_all()["sgd"]
    assert sgd.cuda
    assert right in sgd.cuda, "the source no longer has what this test breaks"
    source = sgd.cuda.replace(right, wrong, 1)
    broken = Kernel("broken", sgd.reference, cpu=None, cuda=source, gpu=sgd.gpu, check=None, updates="p")
    with execution(**WAYS[way]), pytest.raises((AssertionError, KernelError), match=problem):
        check(broken, next(case for case in CASES["sgd"] if case.label == "n=7"), "float32", cupy)
