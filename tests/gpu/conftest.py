"""The tests of this room need a CUDA device."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for `from cuda_on_cpu.parity import ...`
