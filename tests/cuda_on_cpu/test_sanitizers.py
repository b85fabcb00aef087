"""The sanitized build reports what is wrong with a kernel (`sanitize.py` runs all kernels that way)."""

import subprocess
import sys
from pathlib import Path

import pytest
from cuda_on_cpu.module import sanitizing
from cuda_on_cpu.sanitize import environment

PROGRAM = r"""
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from cupy_stand_in.module import cupy
source = 'extern "C" __global__ void k(float* x, int n) { int i = threadIdx.x; %s }' % sys.argv[2]
x = cupy.zeros(19, np.float32)
cupy.RawModule(code=source).get_function("k")((1,), (32,), (x, np.int32(19)))
print("sum", x.sum().item())
"""
KERNELS = {
    "sound": (
        "__shared__ float s[32]; s[i] = 1; __syncthreads(); if (i < n) x[i] = s[31 - i];",
        0,
        "sum 19.0",
    ),
    "behind an array": ("float v = x[i < n ? i : n]; if (i == n) x[0] = v;", 1, "use-after-poison"),
    "behind shared memory": ("__shared__ float s[8]; s[i] = 1; x[0] = s[0];", 1, "out of bounds"),
}


@pytest.mark.skipif(sanitizing(), reason="this is the sanitized process")
@pytest.mark.parametrize("name", KERNELS)
def test_reports(name: str) -> None:
    body, code, words = KERNELS[name]
    try:
        sanitized = environment()
    except RuntimeError as error:
        pytest.skip(str(error))
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tests, body],
        env=sanitized,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == bool(code), done.stderr
    assert words in done.stdout + done.stderr
