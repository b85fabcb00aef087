"""environment.json: what a run ran with and on, so that someone can repeat it. The only file with dates."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import dlkit
from dlkit.backend import Backend
from dlkit.errors import UserError
from dlkit.training.rundir import cannot

PACKAGES = ("numpy", "numba", "h5py", "pydantic")


def session(backend: Backend, threads: int, ranks: int = 1) -> dict[str, Any]:
    """The circumstances of one start of a run."""
    return {
        "started": now(),
        "command_line": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "directory": str(Path.cwd()),
        "dlkit": dlkit.__version__,
        "python": platform.python_version(),
        **_versions(backend),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "device": backend.device,
        "threads": threads,
        "ranks": ranks,
        "git_revision": git_revision(),
    }


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _versions(backend: Backend) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    if backend.name == "gpu":
        found["cupy"] = getattr(sys.modules.get("cupy"), "__version__", None)
    return found


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def git_revision() -> str | None:
    """Commit of the current directory's checkout; None outside one or without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def fingerprints(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Path, size in bytes and SHA-256 of each input file. Raises UserError.

    A folder has one entry: `files`, their sizes' sum, and the digest of all names and contents in order.
    """
    found = []
    for path in dict.fromkeys(paths):
        try:
            if path.is_dir():
                found.append({"path": str(path), **_of_folder(path)})
                continue
            if not path.is_file():  # a pipe cannot be read twice
                continue
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found.append({"path": str(path), "bytes": path.stat().st_size, "sha256": digest})
        except OSError as error:
            raise cannot("read", path, error) from error
    return found


def _of_folder(folder: Path) -> dict[str, Any]:
    digest, size, files = hashlib.sha256(), 0, 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            content = path.read_bytes()
            size, files = size + len(content), files + 1
            place = os.fsencode(path.relative_to(folder))
            digest.update(b"%d %d " % (len(place), len(content)) + place + content)
    return {"files": files, "bytes": size, "sha256": digest.hexdigest()}


def refuse_unequal_inputs(by_rank: list[list[dict[str, Any]]]) -> None:
    """Every rank of a run must have read the same bytes. Raises UserError naming the file that differs."""
    for rank, inputs in enumerate(by_rank):
        for mine, theirs in zip(by_rank[0], inputs, strict=True):
            if mine["sha256"] != theirs["sha256"]:
                raise UserError(f"{mine['path']} differs between the machines of rank 0 and rank {rank}")


def refuse_changed_inputs(
    before: Any, inputs: list[dict[str, Any]], *, hint: str = "--force starts the run anew"
) -> None:
    """A run goes on only with the data it began with. Raises UserError naming the file that changed."""
    known = {}
    for item in before if isinstance(before, list) else []:
        if isinstance(item, dict):
            known[item.get("path")] = item.get("sha256")
    for item in inputs:
        if known.get(item["path"], item["sha256"]) != item["sha256"]:
            raise UserError(f"{item['path']} has changed since the run began", hint=hint)
