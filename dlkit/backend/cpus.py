"""How many cores this process may use, and one BLAS thread for each of ours."""

import os
from pathlib import Path
from typing import Any

_held: Any = None


def granted_threads(root: Path = Path("/")) -> int:
    """Cores granted to this process: its affinity mask, cut by the cgroup's CPU quota; at least 1.

    `root` stands for the file system's root (tests put a made-up one there).
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    return max(1, min([cores, *_quotas(root)]))


def _quotas(root: Path) -> list[int]:
    """Whole cores of every CPU quota that binds this process, rounded up (cgroup v2 and v1)."""
    found = []
    for controllers, path in _memberships(root):
        if controllers == "":
            base, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        here = base / path.lstrip("/")
        # A limit on an ancestor binds too. Inside a container the path may name what is not mounted.
        for folder in [here, *here.parents]:
            quota = read(folder)
            if quota is not None:
                found.append(max(1, -int(-quota // 1)))
            if folder == base:
                break
    return found


def _memberships(root: Path) -> list[tuple[str, str]]:
    """(controllers, path) of each line of /proc/self/cgroup; controllers are empty for v2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    fields = [line.split(":", 2) for line in lines]
    return [(f[1], f[2]) for f in fields if len(f) == 3]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def hold_blas_at_one_thread() -> None:
    """One BLAS thread for the rest of the process.

    The shards are the parallelism; a BLAS pool inside each would fight it, and the same product with
    another number of BLAS threads can have other last bits.
    """
    global _held
    if _held is None:
        import numpy  # noqa: F401 - the limit reaches only libraries already loaded
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        _held = threadpool_limits(limits=1, user_api="blas")
