"""Running a command in this process and comparing what two runs left behind."""

import contextlib
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
from cupy_stand_in.runs import Run
from PIL import Image

from dlkit.cli import main


def dlkit(*arguments: object) -> None:
    """Run a command line; AssertionError where it does not end well."""
    code = main([str(a) for a in arguments])
    assert code == 0, f"dlkit {' '.join(map(str, arguments))}: exit code {code}"


def train(run: Run, folder: Path, directory: str, *options: str) -> Path:
    """Train in `folder`/`directory` on the run's recipe and data, which are written if they are not there."""
    recipe = folder / "recipe.yaml"
    if not recipe.exists():
        recipe.write_text(run.recipe, encoding="utf-8")
        run.write(folder)
    dlkit(run.command, recipe, "-o", folder / directory, "-q", *options)
    return folder / directory


def answers(run: Path, data: Path, *options: str) -> dict[str, list[str]]:
    """The columns that `predict` writes."""
    target = run / "answers.csv"
    dlkit("predict", run, data, "-o", target, *options)
    return _columns(target.read_text(encoding="utf-8"))


def metrics(run: Path) -> dict[str, list[str]]:
    """The columns of metrics.csv and, as columns of one row, the figures of summary.json."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    columns = _columns((run / "metrics.csv").read_text(encoding="utf-8"))
    return columns | {f"summary {key}": [str(value)] for key, value in summary.items()}


def asked(line: str, run: Path, folder: Path, *options: str) -> dict[str, list[str]]:
    """What a question prints and writes: words and, by the file's name, the cells or pixels in it."""
    target = folder / "asked"
    words = (
        line.replace("RUN", str(run))
        .replace("FILE", str(target))
        .replace("data.csv", str(folder / "data.csv"))
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        dlkit(*words.split(), *options)
    found = {f"word {k}": [word] for k, word in enumerate(re.split(r"[\s,]+", printed.getvalue()))}
    for path in sorted(folder.glob("asked*/**/*")) + sorted(folder.glob("asked*")):
        if path.suffix == ".png":
            with Image.open(path) as image:
                found[f"{path.name} {image.size}"] = [
                    f"{v / 255:.6f}" for v in np.asarray(image.convert("L")).ravel()
                ]
        elif path.is_file():
            found |= {
                f"{path.name} {k}": column for k, column in _columns(path.read_text(encoding="utf-8")).items()
            }
    return found


def _columns(text: str) -> dict[str, list[str]]:
    header, *rows = csv.reader(io.StringIO(text))
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def assert_close(got: dict[str, list[str]], want: dict[str, list[str]], tolerance: float) -> None:
    """Equal texts, or numbers within a relative tolerance."""
    assert list(got) == list(want)
    for name, expected in want.items():
        if got[name] == expected:
            continue
        numbers = [np.array([float(v or "nan") for v in values]) for values in (got[name], expected)]
        np.testing.assert_allclose(*numbers, rtol=tolerance, atol=tolerance, err_msg=name)
