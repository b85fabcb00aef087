"""Earlier results that --force replaces: out of the way while the new run has saved nothing, then removed.

They lie in DIR/.earlier meanwhile. Whatever ends the process at whatever moment, the names tell the next run
what it finds: DIR/.moving is on its way out or back and holds a part of a run whose other files lie in DIR;
DIR/.earlier is a whole run, which is no longer wanted once there is a checkpoint in DIR.
"""

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

MOVING, EARLIER = ".moving", ".earlier"


def move_out(directory: Path, files: Sequence[str]) -> None:
    """Put these files of `directory` (the first one first, those that are there) out of the way."""
    moving = directory / MOVING
    moving.mkdir()
    for name in files:
        if (directory / name).is_file():
            (moving / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).rename(moving / name)
    remove_empty(directory, files)
    moving.rename(directory / EARLIER)


def put_back(directory: Path, ours: Callable[[], Sequence[str]]) -> None:
    """The earlier results as they were, without the files `ours` of a run that has saved nothing."""
    if (directory / EARLIER).is_dir():
        new = ours()
        for name in new:
            (directory / name).unlink(missing_ok=True)
        remove_empty(directory, new)
        (directory / EARLIER).rename(directory / MOVING)
    if (directory / MOVING).is_dir():
        for path in sorted((directory / MOVING).rglob("*")):
            if path.is_file():
                target = directory / path.relative_to(directory / MOVING)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
        shutil.rmtree(directory / MOVING)


def discard(directory: Path) -> None:
    """Remove the earlier results: there are new ones."""
    if (directory / EARLIER).is_dir():
        shutil.rmtree(directory / EARLIER)


def remove_empty(directory: Path, files: Sequence[str]) -> None:
    """Remove the folders of `files` that have nothing in them any more."""
    folders = {parent for name in files for parent in Path(name).parents if parent != Path()}
    for folder in sorted(folders, key=lambda one: -len(one.parts)):
        with contextlib.suppress(OSError):  # something of the user's lies in it
            (directory / folder).rmdir()
