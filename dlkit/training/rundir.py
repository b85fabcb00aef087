"""The run directory: one writer, files that appear whole or not at all, earlier results safe."""

import contextlib
import errno
import fcntl
import functools
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from dlkit.errors import DataError, UsageError, UserError
from dlkit.training import set_aside

RECIPE, METRICS, TIMING, SUMMARY = "recipe.yaml", "metrics.csv", "timing.csv", "summary.json"
CHECKPOINT, BEST, ENVIRONMENT = "checkpoint.h5", "best.h5", "environment.json"
COMPARE, COMPARE_PICTURE = "compare.csv", "compare.png"
OURS = (SUMMARY, BEST, CHECKPOINT, METRICS, TIMING, COMPARE, COMPARE_PICTURE, RECIPE, ENVIRONMENT)
"""Files that a run may leave, in the order in which --force removes them."""


def chosen_checkpoint(run: Path) -> Path | None:
    """The file of a run's chosen model: best.h5 where it is there (it is only where the recipe keeps the
    best), else checkpoint.h5; None: neither is.
    """
    return next((run / name for name in (BEST, CHECKPOINT) if (run / name).is_file()), None)


def cannot(act: str, path: Path, error: OSError) -> UserError:
    """A failed system call as one line: `cannot write runs/x/checkpoint.h5: No space left on device`."""
    reason = error.strerror or str(error)
    hint = "the run goes on with --resume once there is room" if error.errno in _FULL else None
    return UserError(f"cannot {act} {path}: {reason}", hint=hint)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


Content = bytes | Callable[[BinaryIO], object]
"""What a file is to hold: its bytes, or what writes them into an open file."""


def write_atomic(path: Path, content: Content, *, unless_same: bool = False) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, even after a crash.

    `unless_same`: a file that holds these very bytes already is left as it is.
    Raises UserError when the disk is full or read-only; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        try:
            with temporary.open("w+b") as stream:
                if isinstance(content, bytes):
                    stream.write(content)
                else:
                    content(stream)
                stream.flush()
                if unless_same and _holds(path, stream):
                    temporary.unlink()
                    return
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise cannot("write", path, error) from error


def _holds(path: Path, stream: BinaryIO) -> bool:
    """Whether the file at `path` has the bytes of `stream`, from the first to the last."""
    stream.seek(0)
    try:
        with path.open("rb") as there:
            while piece := stream.read(_PIECE):
                if piece != there.read(_PIECE):
                    return False
            return not there.read(1)
    except OSError:
        return False


_PIECE = 1 << 20


def _sync_directory(path: Path) -> None:
    """Make the rename itself survive a crash; a file system that cannot (EINVAL) loses nothing by it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


class RunDirectory:
    """A directory that one run writes to.

    `check` is called before the data are read and changes nothing; `begin` once the new run has read its
    data and built its model: it makes and locks the directory and, with `force`, puts the old results aside.
    `saved` removes them; a run that ends with an error before that gets them back.
    With `writes=False` (every rank but the first of an MPI run) nothing is ever written or locked.
    """

    def __init__(self, path: Path, *, resume: bool = False, force: bool = False, writes: bool = True) -> None:
        if resume and force:
            raise UsageError("--resume and --force exclude each other")
        self.path = path
        self.resume = resume
        self.force = force
        self.writes = writes
        self._descriptor: int | None = None

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._descriptor is not None and self.path.is_dir():
                self._recover() if error else self.saved()
        finally:
            self.release()

    # -- opening --------------------------------------------------------------------------------
    def check(self) -> None:
        """Lock what exists and refuse what can be refused before the data are read. Raises UserError."""
        if not self.path.exists():
            parent = next(folder for folder in self.path.absolute().parents if folder.exists())
            if self.writes and not os.access(parent, os.W_OK | os.X_OK):
                raise UserError(f"cannot write {self.path}: {parent} is not writable")
            return
        if not self.path.is_dir():
            raise UserError(f"{self.path} is a file, not a run directory")
        self._lock()
        try:
            if self.writes:
                self._recover()
            self._refuse_results()
            if self.writes and not os.access(self.path, os.W_OK | os.X_OK):
                raise UserError(f"cannot write {self.path}: the directory is not writable")
        except UserError:
            self.release()
            raise

    def begin(self) -> None:
        """Make, lock and (force) empty the directory. Raises UserError."""
        if not self.writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot("make", self.path, error) from error
        self._lock()
        self._refuse_results()
        if self.force and self.entries():
            self._aside(lambda path: set_aside.move_out(path, self.known_files()))

    def release(self) -> None:
        """Let another writer in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> None:
        """flock the directory itself: nothing is left behind, and a killed process lets go."""
        if self._descriptor is not None or not self.writes:
            return
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise cannot("open", self.path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise UserError(f"{self.path} is in use by another dlkit") from error
            raise cannot("lock", self.path, error) from error
        self._descriptor = descriptor

    def _refuse_results(self) -> None:
        if set(self.entries()) in (set(), {RECIPE, ENVIRONMENT}):  # a run that ended before its first save
            return
        if not (self.force or self.resume):
            problem = f"{self.path} is not empty"
            raise UserError(problem, hint="--resume goes on with it, --force replaces it, -o names another")
        if not self.is_run():
            flag = "--force replaces" if self.force else "--resume goes on with"
            raise UserError(f"{self.path} is not a run directory; {flag} nothing but a run")

    def saved(self) -> None:
        """The new run can be gone on with: from here on it stands for what it replaces."""
        if self.writes:
            self._aside(set_aside.discard)

    def _aside(self, act: Callable[[Path], object]) -> None:
        try:
            act(self.path)
        except OSError as error:
            raise cannot("clear", self.path, error) from error

    def _recover(self) -> None:
        """Earlier results that a run left aside, which was killed or fails now: back, or gone if it saved."""
        if (self.path / set_aside.EARLIER).is_dir() and self._any_checkpoint():
            self._aside(set_aside.discard)
        else:
            self._aside(lambda path: set_aside.put_back(path, self.known_files))

    def _any_checkpoint(self) -> bool:
        found = (one.relative_to(self.path) for one in self.path.rglob(CHECKPOINT))
        return any(not set(one.parts) & {set_aside.EARLIER, set_aside.MOVING} for one in found)

    def known_files(self) -> list[str]:
        """What a run left here, its summary first, so that none stands over half a run; then its members'."""
        names = [SUMMARY, *self.known_artifacts(), *OURS]
        names += [one.name for one in self.path.glob(".*.tmp")]
        for folder in sorted(self.path.iterdir()):
            if folder.is_dir() and not folder.name.startswith(".") and _is_run(folder):
                names += [f"{folder.name}/{name}" for name in RunDirectory(folder).known_files()]
        return names

    def known_artifacts(self) -> list[str]:
        """Artifacts of the run in the directory as its environment.json lists them; none outside it."""
        try:
            names = json.loads(self.read_text(ENVIRONMENT) or "{}").get("artifacts", [])
        except (ValueError, AttributeError):
            return []
        inside = [name for name in names if isinstance(name, str) and ".." not in Path(name).parts]
        return [name for name in inside if not Path(name).is_absolute() and (self.path / name).is_file()]

    # -- contents -------------------------------------------------------------------------------
    def entries(self) -> list[str]:
        """What lies in the directory, leftovers of a killed write aside."""
        try:
            names = [entry.name for entry in self.path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise cannot("read", self.path, error) from error
        hidden = {set_aside.EARLIER, set_aside.MOVING}
        return sorted(
            name for name in names if name not in hidden and not (name[0] == "." and name.endswith(".tmp"))
        )

    def is_run(self) -> bool:
        """Whether the directory holds (part of) a run."""
        return _is_run(self.path)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def read_text(self, name: str) -> str | None:
        """A file's text; None where there is no such file. Raises UserError."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot("read", self.path / name, error) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object that `write_json` wrote; empty where there is none. Raises UserError, DataError."""
        path = self.path / name
        try:
            found = json.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise cannot("read", path, error) from error
        except ValueError as error:
            raise DataError(f"not JSON: {error}", where=str(path)) from error
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: str | Content, *, unless_same: bool = False) -> None:
        """Write a file atomically (folders in `name` are made), see `write_atomic`. Raises UserError."""
        if not self.writes:
            return
        path = self.path / name
        if "/" in name:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot("make", path.parent, error) from error
        data = content.encode("utf-8") if isinstance(content, str) else content
        write_atomic(path, data, unless_same=unless_same)

    def copy(self, name: str, to: str) -> None:
        """A second file with the same bytes. Raises UserError."""
        self.write(to, functools.partial(_copy, self.path / name))

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file: keys in their order, NaN and infinities as null."""
        self.write(name, json_text(value))

    def remove(self, name: str) -> None:
        if not self.writes:
            return
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot("remove", self.path / name, error) from error


def _copy(path: Path, stream: BinaryIO) -> None:
    with path.open("rb") as there:
        shutil.copyfileobj(there, stream, _PIECE)


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in (RECIPE, CHECKPOINT, SUMMARY))


def json_text(value: Any) -> str:
    """JSON for people and programs: indented, Unicode as it is, NaN and infinities as null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
