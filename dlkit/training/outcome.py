"""The end of a run: the chosen model is tested, its artifacts are written, and last of all summary.json."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dlkit.algorithms.protocol import Tree
from dlkit.errors import UserError
from dlkit.training import environment
from dlkit.training.checkpoint import load
from dlkit.training.loop import TrainingLoop
from dlkit.training.metrics import Number, figure
from dlkit.training.progress import SHOWN, short_figure
from dlkit.training.resume import fitting
from dlkit.training.rundir import BEST, CHECKPOINT, ENVIRONMENT, SUMMARY

Figures = dict[str, Number]
COUNTS = ("epochs", "steps", "best_epoch", "parameters")
"""Keys of summary.json that are no metrics."""


def finish(loop: TrainingLoop, about: dict[str, Any], parameters: int) -> Figures:
    """Test, write, and return what summary.json holds. `about`: environment.json so far. Raises UserError."""
    record, algorithm, directory = loop.record, loop.algorithm, loop.directory
    algorithm.end_training()
    best = record.best.epoch if record.best and loop.recipe.keep == "best" else None
    earlier = _load_best(loop, best) if best and best != record.epoch else None
    tested = {name: figure(value) for name, value in algorithm.test().items()}
    _save_tested(loop, earlier, best)
    names = [*algorithm.PREVIEWS]
    for name, content in algorithm.artifacts():
        directory.write(name, content)
        names += [name] if name not in names else []  # the last preview
    figures: Figures = {"epochs": record.epoch, "steps": record.steps}
    figures |= {"parameters": parameters} if parameters else {}
    figures |= {"best_epoch": best} if best else {}
    row = next((row for row in record.table.rows if row["epoch"] == (best or record.epoch)), {})
    figures |= {name: value for name, value in row.items() if name not in ("epoch", "step")}
    figures |= tested
    notes = {"notes": loop.display.told} if loop.display.told else {}
    directory.write_json(ENVIRONMENT, about | notes | {"artifacts": names, "finished": environment.now()})
    directory.write_json(SUMMARY, figures)
    return figures


def _load_best(loop: TrainingLoop, epoch: int) -> Tree:
    """Put the best epoch's state into the algorithm. Returns its checkpoint's tree."""
    path = loop.directory.path / BEST
    tree = loop.comm.once(lambda: _read_best(loop, path, epoch))
    with fitting(loop.algorithm.command, path):
        loop.algorithm.load(tree["state"])
    return tree


def _read_best(loop: TrainingLoop, path: Path, epoch: int) -> Tree:
    tree = load(path, command=loop.algorithm.command).tree
    found = tree.get("position", {}).get("epoch")
    if found != epoch:  # a crash between best.h5 and checkpoint.h5, and then fewer epochs than before
        raise UserError(
            f"{path} is of epoch {found}, not {epoch}", hint=f"resume with --epochs {found} or more"
        )
    return tree


def _save_tested(loop: TrainingLoop, earlier: Tree | None, best: int | None) -> None:
    """Save again what the test added to the chosen model's state (a noise level fitted to it, say)."""
    if not loop.directory.writes:
        return
    tree = loop.tree() if earlier is None else earlier | {"state": loop.algorithm.state()}
    names = [BEST] if earlier is not None else [BEST, CHECKPOINT] if best else [CHECKPOINT]
    for name in names:
        loop.write_checkpoint(name, tree, unless_same=True)


def leading(names: Iterable[str]) -> list[str]:
    """The test figures; where there are none, those of validation, of training, or all of them."""
    names = list(names)
    for split in ("test_", "valid_", "train_"):
        found = [name for name in names if name.startswith(split)]
        if found:
            return found
    return names


def result_line(path: Path, figures: Figures, *, everything: bool = False) -> str:
    """`runs/x   test_accuracy 0.9924   test_loss 0.0247   (best: epoch 10)`."""
    shown = leading(name for name in figures if name not in COUNTS)
    shown = shown if everything else shown[:SHOWN]
    pieces = [str(path), *(f"{name} {short_figure(figures[name])}" for name in shown)]
    best = [f"(best: epoch {figures['best_epoch']})"] if "best_epoch" in figures else []
    return "   ".join(pieces + best)
