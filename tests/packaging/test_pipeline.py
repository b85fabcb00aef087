"""examples/pipeline.mk on embedded data: what has not changed is not done again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
command: train-mlp
data: {train: %s, test: 0.2, valid: 0.2}
model: [{dense: 4}]
epochs: 2
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the pipeline in `folder`; exit code and all it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    ended = subprocess.run(
        [
            "make", "-f", str(ROOT / "examples" / "pipeline.mk"),
            f"DLKIT={sys.executable} -m dlkit", "OUT=out", "THREADS=1", "RECIPES=golf.yaml sick.yaml",
            *arguments,
        ],
        cwd=folder, env=clean | {"LC_ALL": "C", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two embedded tables and a recipe for each, all older than what a run makes."""
    for recipe, table in (("golf", "golf.csv"), ("sick", "diabetes.csv")):
        shutil.copy(ROOT / "data" / table, tmp_path)
        (tmp_path / f"{recipe}.yaml").write_text(RECIPE % table, encoding="utf-8")
        for name in (table, f"{recipe}.yaml"):
            os.utime(tmp_path / name, (1_600_000_000, 1_600_000_000))
    return tmp_path


def trained(text: str) -> set[str]:
    """Recipes that were trained, by the commands that make printed."""
    return set(re.findall(r" (\w+)\.yaml -q", text))


def test_what_has_not_changed_is_not_done_again(folder: Path) -> None:
    code, first = make(folder)
    assert code == 0, first
    assert trained(first) == {"golf", "sick"}
    out = folder / "out"
    assert "test_accuracy" in json.loads((out / "golf.json").read_text(encoding="utf-8"))
    assert "<svg" in (out / "curves.svg").read_text(encoding="utf-8")
    assert "golf" in (out / "report.html").read_text(encoding="utf-8")

    files = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert make(folder) == (0, "make: Nothing to be done for 'all'.\n")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == files

    (folder / "golf.csv").touch()
    code, again = make(folder, "--dry-run")
    assert code == 0, again
    assert trained(again) == {"golf"}
    assert [name for name in ("evaluate", "plot", "report") if f"dlkit {name} " not in again] == []
    assert "evaluate out/sick" not in again

    # metrics.csv without summary.json is what a run leaves that was killed after an epoch: it goes on
    earlier = (out / "sick" / "metrics.csv").read_text(encoding="utf-8")
    (out / "sick" / "summary.json").unlink()
    code, resumed = make(folder, "out/sick/summary.json", "EPOCHS=3")
    assert code == 0, resumed
    rows = (out / "sick" / "metrics.csv").read_text(encoding="utf-8")
    assert rows.startswith(earlier) and rows.count("\n") == earlier.count("\n") + 1


def test_a_failure_leaves_nothing_that_looks_finished(folder: Path) -> None:
    (folder / "golf.csv").write_text("a,b,play\n1,2,yes\n3,no\n", encoding="utf-8")
    code, text = make(folder, "out/golf.json")
    assert code == 2
    assert "golf.csv:3: expected 3 columns, found 2" in text
    assert not (folder / "out" / "golf.json").exists()
    assert not (folder / "out" / "golf" / "summary.json").exists()
