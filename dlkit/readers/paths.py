"""Where a data file is: as given, in the recipe's folder, or in the data folder."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError
from dlkit.readers import cifar, hdf5
from dlkit.readers.data_sets import DATA_SETS
from dlkit.readers.image_folder import holds_images
from dlkit.readers.opening import STDIN
from dlkit.recipe.suggest import near_file

VARIABLE = "DLKIT_DATA"
"""Environment variable that names the folder of data sets."""


def data_folder() -> Path:
    """Where `dlkit data get` puts what it fetches: $DLKIT_DATA, or a folder of the user's own."""
    return data_folders()[0]


def data_folders() -> list[Path]:
    """$DLKIT_DATA, if it is set, and the user's own folder, by the custom of the system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    variable = os.environ.get(VARIABLE)
    return [*([Path(variable)] if variable else []), base / "dlkit"]


@dataclass(frozen=True)
class Found:
    """A data file that exists."""

    path: Path
    """The file to open."""
    written: str
    """How a recipe has to name it so that it is found from the current folder again."""

    @property
    def is_stdin(self) -> bool:
        return str(self.path) == STDIN


def resolve_path(name: str, base: Path | None = None) -> Found:
    """Find the file `name`; "-" is standard input. Raises DataError that lists where it was looked for."""
    return _search(name, base, _file)


def find_file_or_folder(name: str, base: Path | None = None) -> Found:
    """Like `resolve_path`; a folder is found as well."""
    return _search(name, base, lambda path: path if path.exists() else None)


def find_data(name: str, base: Path | None = None) -> Found:
    """Like `resolve_path`, and ``mnist/train`` finds the images of the IDX pair in folder ``mnist``.

    A folder of images is found as it is, and ``cifar/train`` where folder ``cifar`` has CIFAR-10's batches.
    """
    return _search(name, base, _file_or_pair)


def _search(name: str, base: Path | None, look: Callable[[Path], Path | None]) -> Found:
    if name == STDIN:
        return Found(Path(STDIN), STDIN)
    looked, folder = [], None
    for root, label, via_base in _roots(name, base):
        try:
            path = look(root / name)
            if path is not None:
                return Found(path, os.path.normpath(root / name) if via_base else name)
            folder = folder or (root / name if (root / name).is_dir() else None)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(f"cannot be read: {reason[:1].lower()}{reason[1:]}", where=name) from error
        looked.append(label)
    if folder is not None:
        parts = [part for part in ("train", "test") if _stands_for_files(folder / part)]
        hint = "try " + ", ".join(f"{name.rstrip('/')}/{part}" for part in parts) if parts else None
        raise DataError("is a folder, not a file", where=name, hint=hint)
    hint = _that_gets(name) or near_file(Path(name))
    raise DataError(f"no such file (looked in {', '.join(looked)})", where=name, hint=hint)


def _that_gets(name: str) -> str | None:
    """The command that fetches the set that a path like mnist/train belongs to."""
    first = Path(name).parts[:1]
    known = next((key for key, one in DATA_SETS.items() if first and first[0] == one.folder), None)
    return f"dlkit data get {known} fetches it" if known else None


def _roots(name: str, base: Path | None) -> Iterator[tuple[Path, str, bool]]:
    yield Path(), "the current folder" if not Path(name).is_absolute() else str(Path(name).parent), False
    if Path(name).is_absolute():
        return
    if base is not None and base.resolve() != Path.cwd():
        yield base, str(base), True
    variable = os.environ.get(VARIABLE)
    if variable:
        yield Path(variable), f"${VARIABLE}={variable}", False
    own = data_folders()[-1]
    if own.is_dir():
        yield own, str(own), False


def _file(path: Path) -> Path | None:
    file, _ = hdf5.split_name(path)
    return path if file.exists() and not file.is_dir() else None


def _file_or_pair(path: Path) -> Path | None:
    return _file(path) or _pair(path) or (path if _stands_for_files(path) else None)


def _stands_for_files(path: Path) -> bool:
    return bool(cifar.batches(path)) or _pair(path) is not None or holds_images(path)


def _pair(path: Path) -> Path | None:
    """The images file of part `path.name` in folder `path.parent`, named as LeCun's MNIST names it."""
    if not path.parent.is_dir():
        return None
    prefixes = {"test": ("t10k", "test")}.get(path.name, (path.name,))
    for prefix in prefixes:
        wanted = re.compile(re.escape(prefix) + r"-images[-.]idx\d-ubyte(\.gz)?")
        for candidate in sorted(path.parent.iterdir()):
            if wanted.fullmatch(candidate.name):
                return candidate
    return None


def labels_beside(path: Path) -> Path | None:
    """The labels file that belongs to an images or features file by its name, where there is one.

    ``train-images-idx3-ubyte.gz``: ``train-labels-idx1-ubyte.gz``; ``x_train.npy``: ``y_train.npy``.
    """
    name = path.name
    for old, new in (("images", "labels"), ("features", "labels"), ("features", "targets")):
        changed = re.sub(r"idx\d", "idx1", name.replace(old, new))
        candidates = [changed, changed.removesuffix(".gz"), changed + ".gz"]
        if old in name and (found := _first_file(path.parent, candidates)):
            return found
    changed = re.sub(r"(?<![A-Za-z])[xX](?![A-Za-z])", "y", name, count=1)
    return _first_file(path.parent, [changed]) if changed != name else None


def _first_file(folder: Path, names: list[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
