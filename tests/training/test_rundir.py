import contextlib
import json
import math
from pathlib import Path
from typing import Any

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


FILES = (
    "recipe.yaml",
    "summary.json",
    "checkpoint.h5",
    "samples/1.png",
    "fold-1/recipe.yaml",
    "fold-1/notes.txt",
)


def earlier(run: Path) -> dict[str, str]:
    """A run of some files, with one of the user's in a member's folder."""
    for name in FILES:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(f"old {name}")
    (run / "environment.json").write_text(json.dumps({"artifacts": ["samples/1.png"]}))
    return files(run)


def files(run: Path) -> dict[str, str]:
    return {str(p.relative_to(run)): p.read_text() for p in sorted(run.rglob("*")) if p.is_file()}


def begun(run: Path) -> RunDirectory:
    directory = RunDirectory(run, force=True)
    directory.check()
    directory.begin()
    directory.write("recipe.yaml", "new")
    directory.write("fold-1/recipe.yaml", "new")
    return directory


def test_a_run_that_fails_before_it_saves_gives_back_what_it_was_to_replace(tmp_path: Path) -> None:
    before = earlier(tmp_path / "r")
    with pytest.raises(UserError, match="too much"), begun(tmp_path / "r") as directory:
        assert directory.entries() == ["fold-1", "recipe.yaml"]
        raise UserError("too much")
    assert files(tmp_path / "r") == before


def test_a_run_that_has_saved_replaces(tmp_path: Path) -> None:
    earlier(tmp_path / "r")
    with pytest.raises(UserError, match="full"), begun(tmp_path / "r") as directory:
        directory.write("checkpoint.h5", "new")
        directory.saved()
        raise UserError("full")
    new = dict.fromkeys(("checkpoint.h5", "fold-1/recipe.yaml", "recipe.yaml"), "new")
    assert files(tmp_path / "r") == new | {"fold-1/notes.txt": "old fold-1/notes.txt"}


@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}], ids=str)
def test_killed_while_earlier_results_lay_aside(
    tmp_path: Path, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file that moves out, before the first save, and at every file that moves back."""
    before, moves = earlier(tmp_path / "r"), 0
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    for moves in range(20):
        left = moves
        directory = RunDirectory(tmp_path / "r", force=True)
        directory.check()
        with contextlib.suppress(KeyboardInterrupt):
            directory.begin()
            directory.write("recipe.yaml", "new")
        directory.release()  # as a kill does
        left = moves
        with contextlib.suppress(KeyboardInterrupt), RunDirectory(tmp_path / "r", **options) as again:
            again.check()
        left = 1000
        with RunDirectory(tmp_path / "r", **options) as again:
            again.check()
        assert files(tmp_path / "r") == before, moves


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


def test_content_that_writes_itself_and_a_file_left_alone(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as directory:
        directory.write("a", lambda stream: stream.write("日本".encode()))
        directory.copy("a", "b")
        assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "日本"
        before = (tmp_path / "a").stat().st_ino
        directory.write("a", "日本", unless_same=True)
        assert (tmp_path / "a").stat().st_ino == before
        for other in ("日", "日本x", "本日"):
            directory.write("a", other, unless_same=True)
            assert (tmp_path / "a").read_text() == other
    assert directory.entries() == ["a", "b"] and len(list(tmp_path.iterdir())) == 2


def test_content_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    def fails(stream: Any) -> None:
        stream.write(b"half")
        raise TypeError("no tree")

    write_atomic(tmp_path / "a", b"old")
    with pytest.raises(TypeError):
        write_atomic(tmp_path / "a", fails)
    assert (tmp_path / "a").read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a"]
