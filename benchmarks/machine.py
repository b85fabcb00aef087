"""What the figures were measured on, in words, for the head of each section of RESULTS.md."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def machine() -> str:
    """Processor, cores granted, memory, system: one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    named = _first("/proc/cpuinfo", "model name") or platform.processor() or "unknown processor"
    flags = (_first("/proc/cpuinfo", "flags") or "").split()
    widest = next((flag for flag in ("amx_tile", "avx512f", "avx2", "avx") if flag in flags), "")
    return f"{named} ({widest})" if widest else named


def _first(path: str, key: str) -> str | None:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)


def revision() -> str:
    """The commit of this checkout, with "+changes" where files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def heading(command: str, versions: dict[str, str], load_before: float) -> str:
    """The lines that stand above a row's table. Settings that change BLAS's kernels are named."""
    settings = [
        f"{name}={os.environ[name]}"
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS")
        if name in os.environ
    ]
    lines = [
        f"- date {datetime.date.today().isoformat()}, dlkit {revision()}, `{command}`",
        f"- machine: {machine()}; load before: {load_before:.2f}",
        "- versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
    ]
    if settings:
        lines.append(f"- environment: {' '.join(settings)}")
    return "\n".join(lines)
