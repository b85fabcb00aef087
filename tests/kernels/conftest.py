"""The tests of this room share their cases with other rooms' harnesses."""

import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for `from kernels.cases import ...`
