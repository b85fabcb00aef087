"""Memory: what was used, and running out of it told in one line."""

import re
import sys
from contextlib import suppress
from pathlib import Path

from dlkit.errors import UserError


def resident_peak() -> int:
    """Bytes of the process's resident-set peak (0 where the system does not tell)."""
    try:
        import resource
    except ImportError:  # not Unix
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process can still have: the system's free memory or, where that is less, what its
    control group has left (version 2 or 1; cached files count as free); None where the system does not tell.

    `root` stands for the file system's root (tests put a made-up one there).
    """
    found: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        told = dict(line.split(":", 1) for line in lines if ":" in line)
        found.append(int(told.get("MemAvailable", "").split()[0]) * 1024)
    for folder, most, used, cached in (
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # "max": no limit
            limit, taken = (int((root / folder / name).read_text(encoding="ascii")) for name in (most, used))
            lines = (root / folder / "memory.stat").read_text(encoding="ascii").splitlines()
            given_back = next((int(line.split()[1]) for line in lines if line.startswith(f"{cached} ")), 0)
            found.append(max(limit - taken + given_back, 0))
    return min(found, default=None)


def give_back_memory() -> None:
    """Give the system what is free: the C library (glibc) keeps tens of MiB of what large arrays left."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def amount(size: int) -> str:
    """`size` bytes for people: 12 MB, 3.4 GB (decimal units)."""
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            whole = (size + scale // 2) // scale
            return f"{size / scale:.1f} {unit}" if size < 10 * scale else f"{whole} {unit}"
    return f"{size} bytes"


def out_of_memory(what: str, key: str, device: str, error: Exception, free: int | None) -> UserError:
    """The one line for `error`: asked, free, and which recipe key to lower."""
    asked = _asked(error)
    wanted = f" (asked for {amount(asked)}" if asked is not None else ""
    if free is not None:
        wanted += f"{', ' if wanted else ' ('}{amount(free)} free"
    wanted += ")" if wanted else ""
    return UserError(f"out of memory on {device} for {what}{wanted}", hint=f"lower {key}")


def _asked(error: Exception) -> int | None:
    """Bytes asked for, from CuPy's or NumPy's message."""
    text = str(error)
    if match := re.search(r"allocating ([\d,]+) bytes", text):
        return int(match[1].replace(",", ""))
    if match := re.search(r"allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB|PiB|EiB)", text):
        power = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].index(match[2])
        return int(float(match[1]) * 1024**power)
    return None
