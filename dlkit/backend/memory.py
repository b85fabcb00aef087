"""Memory: what was used, and running out of it told in one line."""

import re
import sys

from dlkit.errors import UserError


def resident_peak() -> int:
    """Bytes of the process's resident-set peak (0 where the system does not tell)."""
    try:
        import resource
    except ImportError:  # not Unix
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def amount(size: int) -> str:
    """`size` bytes for people: 12 MB, 3.4 GB (decimal units)."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            value = size / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
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
