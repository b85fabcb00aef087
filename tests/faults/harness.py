"""Runs a command as a process, disturbs it, and compares what is left with an undisturbed run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dlkit.training.pace import VARIABLE
from tests.faults.cases import ROOT, Case

OFTEN = "0.03"
"""Seconds between two saves, so that there is something to interrupt."""
CLOCKED = {"timing.csv", "environment.json"}
"""Files that tell when and how fast; everything else is exact."""
PATIENCE = 60.0


class Ended(NamedTuple):
    code: int
    stdout: str
    stderr: str


def start(case: Case, directory: Path, *flags: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start the command; `prefix` is a command that runs it."""
    return subprocess.Popen(
        [*prefix, *case.command(directory, *flags)],
        cwd=ROOT,
        env={**os.environ, VARIABLE: OFTEN, **case.environment},
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end."""
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return Ended(process.returncode, stdout, stderr)


def complete(case: Case, directory: Path, *flags: str) -> None:
    """Run to the end, which must be a good one."""
    done = ended(start(case, directory, *flags))
    assert done.code == 0, done


def contents(directory: Path) -> dict[str, bytes]:
    """Every exact file of a run or a family, leftovers of killed writes aside."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in CLOCKED and not path.name.endswith(".tmp")
    }


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until the running process has brought `condition` about."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < limit, "the run did not get that far"
        time.sleep(0.005)


def has_saved(directory: Path) -> Callable[[], bool]:
    """Whether a checkpoint is there (of any member)."""
    return lambda: any(directory.rglob("checkpoint.h5"))


def sessions(directory: Path) -> set[int]:
    """Changes whenever a run or a member in `directory` begins or ends: times of environment.json."""
    return {path.stat().st_mtime_ns for path in directory.rglob("environment.json")}


def kill_while_training(process: subprocess.Popen[str], directory: Path, seconds: float) -> bool:
    """kill -9 `seconds` after training began (start-up is not worth a kill); whether it was still running."""
    before = sessions(directory)
    while process.poll() is None and sessions(directory) == before:
        time.sleep(0.002)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    done = ended(process)
    assert done.code in (0, -signal.SIGKILL), done
    return done.code != 0


def file_size_limit(size: int) -> list[str]:
    """Prefix: no file may grow beyond `size` bytes. What a full disk does to a write, without a full disk."""
    limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    return [sys.executable, "-c", limit + "os.execv(sys.argv[1], sys.argv[1:])"]


def on_a_disk_that_is(state: str, saved: Path, after: Path) -> list[str]:
    """Prefix: the command sees a file system of its own, "full" or "read-only", in place of the folder
    `saved`, with its content; what is on it in the end goes to the new folder `after`.

    The mount is seen by the command alone and ends with it. Needs the right to mount: `may_mount`.
    """
    script = """
        set -e; state="$1" saved="$2" after="$3"; shift 3
        cp -a "$saved" "$after"
        mount -t tmpfs -o size=16m none "$saved"
        cp -a "$after/." "$saved"; rm -r "$after"
        if [ "$state" = full ]; then cat /dev/zero > "$saved/.filler.tmp" 2> /dev/null || true; fi
        if [ "$state" = read-only ]; then mount -o remount,ro "$saved"; fi
        code=0; "$@" || code=$?
        if [ "$state" = full ]; then rm "$saved/.filler.tmp"; fi
        cp -a "$saved" "$after"
        exit $code
    """
    return ["unshare", "--mount", "sh", "-c", script, "sh", state, str(saved), str(after)]


def may_mount() -> bool:
    """Whether `on_a_disk_that_is` works here: for root on most machines, and in few containers."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        bool(shutil.which("unshare"))
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def one_error_line(done: Ended) -> str:
    """The single `error:` line of a failed run, which shows no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]
