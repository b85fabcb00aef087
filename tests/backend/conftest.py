"""The tests of this room use the stand-in for CuPy."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for `from cupy_stand_in.module import ...`
