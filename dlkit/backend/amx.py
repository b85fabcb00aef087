"""Whether this process may multiply with the tile registers of Intel's AMX (loops for them: amx_tiles.py)."""

import ctypes
import os
import platform
import sys
from functools import cache
from pathlib import Path

NEEDED = {"amx_tile", "amx_bf16", "avx512f", "avx512bw"}
ARCH_PRCTL, REQUEST, TILE_DATA = 158, 0x1023, 18
"""The system call's number on x86-64, ARCH_REQ_XCOMP_PERM, and the state that is asked for."""
OTHER_TARGET = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
"""Variables by which numba is told to compile for another processor than this one."""


@cache
def have_tiles() -> bool:
    """Whether the processor has tiles for bfloat16 and the kernel lets this process use them; asks it to."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    if any(os.environ.get(name) for name in OTHER_TARGET) or not processor_flags() >= NEEDED:
        return False
    try:
        return ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST, TILE_DATA) == 0
    except (OSError, AttributeError):
        return False


def processor_flags(path: Path = Path("/proc/cpuinfo")) -> set[str]:
    """What the first processor can do, by the names of Linux; empty where it is not told."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            told = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return set()
    return set(told.partition(":")[2].split())
