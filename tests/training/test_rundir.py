import json
import math
from pathlib import Path

import pytest

from dlkit.errors import UsageError, UserError
from dlkit.training.rundir import RunDirectory, write_atomic


def test_a_fresh_directory_is_made_late(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "実験" / "x")
    directory.check()
    assert not directory.path.exists()
    with directory:
        directory.begin()
        directory.write("a/b.txt", "日本\n")
    assert (directory.path / "a" / "b.txt").read_text(encoding="utf-8") == "日本\n"
    assert sorted(p.name for p in directory.path.rglob("*")) == ["a", "b.txt"]


def test_results_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("a: 1")
    with pytest.raises(UserError, match=r"is not empty .*--resume"):
        RunDirectory(tmp_path).check()
    with RunDirectory(tmp_path) as directory, pytest.raises(UserError, match="is not empty"):
        directory.begin()
    with pytest.raises(UsageError):
        RunDirectory(tmp_path, resume=True, force=True)


def test_a_run_that_saved_nothing_is_no_result(tmp_path: Path) -> None:
    """What a run leaves whose first steps gave NaN."""
    for name in ("recipe.yaml", "environment.json"):
        (tmp_path / name).write_text("{}")
    for options in ({}, {"resume": True}, {"force": True}):
        with RunDirectory(tmp_path, **options) as directory:
            directory.check()
    (tmp_path / "metrics.csv").write_text("epoch,step\n")
    with pytest.raises(UserError, match="is not empty"):
        RunDirectory(tmp_path).check()


def test_leftovers_of_a_killed_write_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint.h5.tmp").write_text("half")
    with RunDirectory(tmp_path) as directory:
        directory.check()
        directory.begin()
        assert directory.entries() == []


def test_force_never_touches_what_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for options in ({"force": True}, {"resume": True}):
        with pytest.raises(UserError, match="is not a run directory"):
            RunDirectory(tmp_path, **options).check()
    assert (tmp_path / "thesis.txt").exists()


def test_force_removes_results_and_nothing_else(tmp_path: Path) -> None:
    run = tmp_path / "run"
    member = run / "fold-1"
    member.mkdir(parents=True)
    (run / "samples").mkdir()
    (tmp_path / "outside.txt").write_text("mine")
    for name in (
        "recipe.yaml",
        "summary.json",
        "checkpoint.h5",
        "notes.txt",
        "samples/1.png",
        "fold-1/recipe.yaml",
    ):
        (run / name).write_text("x")
    (run / "environment.json").write_text(json.dumps({"artifacts": ["samples/1.png", "../outside.txt", 3]}))
    with RunDirectory(run, force=True) as directory:
        directory.check()
        assert (run / "summary.json").exists()
        directory.begin()
    assert [p.name for p in run.iterdir()] == ["notes.txt"]
    assert (tmp_path / "outside.txt").exists()


def test_one_writer(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "x")
    first.begin()
    for options in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(UserError, match="in use by another dlkit"):
            RunDirectory(tmp_path / "x", **options).check()
    first.release()
    with RunDirectory(tmp_path / "x") as second:
        second.check()


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "x", writes=False)
    directory.check()
    directory.begin()
    directory.write("a", "b")
    directory.remove("a")
    assert not (tmp_path / "x").exists()


def test_json_has_no_nan(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as directory:
        directory.write_json("s.json", {"a": math.nan, "b": [math.inf, 1.5], "c": "日本"})
        assert json.loads(directory.read_text("s.json") or "") == {"a": None, "b": [None, 1.5], "c": "日本"}
        assert "日本" in (directory.read_text("s.json") or "")


def test_a_failed_write_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"^cannot write .*/file/a: Not a directory"):
        write_atomic(tmp_path / "file" / "a", b"x")
    with pytest.raises(UserError, match="cannot make"):
        RunDirectory(tmp_path / "file" / "run").begin()
    with pytest.raises(UserError, match="is a file, not a run directory"):
        RunDirectory(tmp_path / "file").check()
