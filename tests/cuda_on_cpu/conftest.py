"""The tests of this room run CUDA sources through g++."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for `from cuda_on_cpu.module import ...`
