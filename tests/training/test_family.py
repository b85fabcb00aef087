import csv
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from dlkit.errors import RecipeError, UserError
from dlkit.training.driver import open_run, run
from dlkit.training.options import RunOptions
from tests.training.toy import Counting, Regression

VARIANTS: dict[str, Any] = {"速い": {"lr": 0.1}, "slow": {"lr": 0.01, "batch": 8}}


def go(directory: Path, *, options: dict[str, Any] | None = None, **recipe: Any) -> None:
    made = Regression.Recipe.model_validate({"epochs": 2, **recipe})
    run(Regression, made, RunOptions(directory, **{"threads": 1, "quiet": True, **(options or {})}))


def summary(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "summary.json").read_text(encoding="utf-8"))


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(tmp_path, folds=3)
    own = [summary(tmp_path / f"fold-{k}")["test_norm"] for k in (1, 2, 3)]
    found = summary(tmp_path)
    assert [found[f"fold-{k}_test_norm"] for k in (1, 2, 3)] == own and len(set(own)) == 3
    assert found["test_norm_mean"] == statistics.fmean(own)
    assert found["test_norm_sd"] == statistics.stdev(own)
    assert "epochs_mean" not in found
    last = capsys.readouterr().out.splitlines()[-1]
    assert (
        last
        == f"{tmp_path}   test_norm {statistics.fmean(own):.4f} ± {statistics.stdev(own):.4f}   (3 folds)"
    )
    rows = list(csv.DictReader((tmp_path / "compare.csv").open()))
    assert [(row["member"], row["epoch"]) for row in rows] == [
        (f"fold-{k}", str(e)) for k in (1, 2, 3) for e in (1, 2)
    ]
    first = (tmp_path / "fold-2" / "metrics.csv").read_text().splitlines()
    assert ",".join(list(rows[2].values())[1:]) == first[1]
    with pytest.raises(UserError, match="holds several runs"):
        open_run(tmp_path, algorithm=Regression)
    assert open_run(tmp_path / "fold-1", algorithm=Regression)[0].recipe.data.fold.index == 0


def test_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(tmp_path, variants=VARIANTS)
    found = summary(tmp_path)
    assert found["速い_test_norm"] == summary(tmp_path / "速い")["test_norm"]
    assert found["slow_steps"] == 10 and found["速い_steps"] == 20
    assert not any(key.endswith(("_mean", "_sd")) for key in found)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{tmp_path}   速い test_norm ") and "   slow test_norm " in last


def test_folds_of_variants(tmp_path: Path) -> None:
    go(tmp_path, variants=VARIANTS, folds=2)
    inner = summary(tmp_path / "速い")
    assert summary(tmp_path)["速い_test_norm_mean"] == inner["test_norm_mean"]
    members = {row["member"] for row in csv.DictReader((tmp_path / "compare.csv").open(encoding="utf-8"))}
    assert members == {"速い/fold-1", "速い/fold-2", "slow/fold-1", "slow/fold-2"}


def test_a_picture_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    go(tmp_path / "a", variants=VARIANTS)
    go(tmp_path / "b", variants=VARIANTS)
    picture = (tmp_path / "a" / "compare.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and picture == (tmp_path / "b" / "compare.png").read_bytes()


def test_a_note_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dlkit.pictures.figures.available", lambda: False)
    go(tmp_path, folds=2, options={"quiet": False})
    assert not (tmp_path / "compare.png").exists() and (tmp_path / "summary.json").exists()
    assert 'compare.png needs matplotlib: pip install "dlkit[report]"' in capsys.readouterr().err


def test_finished_members_are_skipped(tmp_path: Path) -> None:
    go(tmp_path / "whole", variants=VARIANTS)
    go(tmp_path / "part", variants={"速い": VARIANTS["速い"]})
    before = snapshot(tmp_path / "part" / "速い")
    go(tmp_path / "part", variants=VARIANTS, options={"resume": True})
    assert snapshot(tmp_path / "part" / "速い") == before
    for name in ("summary.json", "compare.csv"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    everything = snapshot(tmp_path / "part")
    go(tmp_path / "part", variants=VARIANTS, options={"resume": True})
    assert snapshot(tmp_path / "part") == everything


def test_one_that_diverges_does_not_keep_the_others(tmp_path: Path) -> None:
    bad = {"bad": {"poison": 2}, **VARIANTS}
    told = r"2 of 3 members are trained; these failed: bad \(the first: the loss is nan at epoch 2, step 3 "
    with pytest.raises(UserError, match=told):
        go(tmp_path, variants=bad)
    assert not (tmp_path / "summary.json").exists() and (tmp_path / "slow" / "summary.json").exists()


def test_folds_that_diverge_do_not_keep_other_variants(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 of 2 members are trained; these failed: bad"):
        go(tmp_path, variants={"bad": {"poison": 1}, "good": {}}, folds=2)
    assert (tmp_path / "good" / "summary.json").exists()
    assert not (tmp_path / "bad" / "compare.csv").exists()


def test_force_keeps_all_until_the_first_member_is_ready(tmp_path: Path) -> None:
    go(tmp_path / "f", folds=3)
    before = snapshot(tmp_path / "f")
    with pytest.raises(UserError, match="no such file"):
        go(tmp_path / "f", folds=2, data={"file": "none.csv"}, options={"force": True})
    assert snapshot(tmp_path / "f") == before
    go(tmp_path / "f", folds=2, options={"force": True})
    assert sorted(p.name for p in (tmp_path / "f").iterdir() if p.is_dir()) == ["fold-1", "fold-2"]


def test_a_member_cannot_be_called_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'summary.json' is a file of every run"):
        go(tmp_path / "f", variants={"summary.json": {"lr": 0.1}})
    assert not (tmp_path / "f").exists()


def test_folds_need_rows_to_divide(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"data"):
        run(Counting, Counting.Recipe(folds=2), RunOptions(tmp_path / "f", threads=1))


def test_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(tmp_path / "f", variants=VARIANTS, folds=2, options={"dry_run": True})
    out = capsys.readouterr().out
    assert out.count("data   20 rows") == 2 and "速い:\nfold-1 of 2:" in out and not (tmp_path / "f").exists()
