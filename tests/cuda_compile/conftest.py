"""The tests of this room compile CUDA sources with NVRTC."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for `from cuda_compile.nvrtc import ...`
