"""Weights to begin with: an .npz file of arrays by parameter path, or another run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.errors import DataError
from dlkit.nn.module import Module, check_array
from dlkit.readers.npy import Npz
from dlkit.readers.opening import read_bytes
from dlkit.recipe.suggest import closest
from dlkit.training.checkpoint import load
from dlkit.training.rundir import chosen_checkpoint


def take(model: Module, path: Path, log: Callable[[str], None], *, only_check: bool = False) -> None:
    """Give the parameters and buffers that the file names their values; the others keep theirs.

    only_check: the model has no values yet. Raises DataError for a name that the model has not, or another
    shape.
    """
    kept: dict[str, Any] = dict([*model.parameters(), *model.buffers()])
    path = file_of(path)
    arrays = _of_run(path) if path.suffix == ".h5" else _of_npz(path)
    for name, array in arrays.items():
        if name not in kept:
            near = closest(name, list(kept))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(kept)}"
            raise DataError(f"{name}: the network has no parameter of this name", where=str(path), hint=hint)
        _check(name, tuple(kept[name].shape), array, path)
        if not only_check:
            backend = model.flat.backend
            kept[name].data[...] = backend.asarray(np.asarray(array, dtype=backend.dtype))
    rest = [name for name in kept if name not in arrays]
    if rest:
        log(f"{path} leaves {len(rest)} of {len(kept)} parameters as they are drawn: {', '.join(rest[:4])}"
            + (", ..." if len(rest) > 4 else ""))  # fmt: skip


def file_of(path: Path) -> Path:
    """The file that is read: of a run that of its chosen model. Raises DataError where it has none."""
    file = chosen_checkpoint(path) if path.is_dir() else path
    if file is None:
        raise DataError("no checkpoint in it", where=str(path))
    return file


def _check(name: str, shape: tuple[int, ...], array: Any, path: Path) -> None:
    if np.ndim(array) == 2 and np.shape(array) != shape and np.shape(array)[::-1] == shape:
        text = f"{name}: expected shape {shape}, found {np.shape(array)}"
        raise DataError(
            text, where=str(path), hint="PyTorch's Linear keeps (outputs, inputs): save its transpose"
        )
    try:
        check_array(name, shape, array)
    except DataError as error:
        text = error.problems[0].text.replace("the saved state has", "found")
        raise DataError(text, where=str(path)) from error


def _of_npz(path: Path) -> Mapping[str, np.ndarray]:
    file = Npz(read_bytes(path), str(path))
    return {key: file.array(key) for key in file.keys}


def _of_run(path: Path) -> Mapping[str, np.ndarray]:
    """The network in a checkpoint."""
    state = load(path).tree.get("state")
    model = state.get("model") if isinstance(state, dict) else None
    if not isinstance(model, dict) or not all(isinstance(a, np.ndarray) for a in model.values()):
        raise DataError("holds no network", where=str(path))
    return model
