"""qlearn as a user meets it: what a run prints and leaves, what it can be asked, that it can be repeated."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import (
    DATA,
    RECIPES,
    call,
    column,
    contents,
    error_line,
    figures,
    good,
    metrics,
    sets,
    summary,
    table,
)

GRID = """\
map: |
  S..#
  .#.X
  ...G
step_cost: 0.04
slip: 0.2
"""
SMALL = sets(episodes=200, epochs=3, seeds=3, pictures="false")
DEEP = sets(
    function="{name: mlp, model: [{dense: 16}], steps: 60, warm_up: 40, target_every: 20, replay: 200}",
    epochs=3,
    pictures="false",
)


def qlearn(directory: Path, *arguments: object) -> str:
    return good("qlearn", *arguments, "-o", directory).stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qlearn")
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def grid(folder: Path) -> Path:
    qlearn(folder / "run", folder / "grid.yaml", *sets(episodes=500, epochs=4), "--threads", 2)
    return folder / "run"


@pytest.fixture(scope="module")
def dog(folder: Path) -> Path:
    qlearn(folder / "dog", RECIPES / "dog-trick.yaml", "-q")
    return folder / "dog"


# -- what a run leaves -----------------------------------------------------------------------------------
def test_a_plain_grid_file_is_enough(grid: Path) -> None:
    files = contents(grid)
    assert {"metrics.csv", "summary.json", "checkpoint.h5", "qtable.csv", "policy.csv"} <= set(files)
    assert files["policy.png"].startswith(b"\x89PNG") and files["learning.png"].startswith(b"\x89PNG")
    rows = metrics(grid)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    greedy, best = column(rows, "greedy_return"), column(rows, "optimal_return")
    assert (greedy <= best + 1e-9).all() and (
        column(rows, "greedy_value") <= column(rows, "optimal_value")
    ).all()
    assert (column(rows, "greedy_low") <= greedy).all() and (greedy <= column(rows, "greedy_high")).all()
    assert summary(grid)["test_return"] == pytest.approx(float(rows[-1]["optimal_return"]), abs=0.02)


def test_tables_of_a_run(grid: Path) -> None:
    q = table((grid / "qtable.csv").read_text(encoding="utf-8"))
    policy = table((grid / "policy.csv").read_text(encoding="utf-8"))
    assert list(q[0]) == ["state", "left", "down", "right", "up"] and len(q) == 8
    for row, said in zip(q, policy, strict=True):
        values = {name: float(row[name]) for name in ("left", "down", "right", "up")}
        assert row["state"] == said["state"] and float(said["value"]) == max(values.values())
        assert values[said["action"]] == max(values.values())
    assert next(row for row in policy if row["state"] == "r3c3")["action"] == "right"


def test_the_resolved_recipe_shows_the_map_and_repeats_the_run(grid: Path, tmp_path: Path) -> None:
    text = (grid / "recipe.yaml").read_text(encoding="utf-8")
    assert "map: |\n  S..#\n  .#.X\n  ...G\n" in text
    qlearn(tmp_path / "again", grid / "recipe.yaml", "--threads", 1, "-q")
    assert contents(tmp_path / "again") == contents(grid)


def test_seeds_do_not_depend_on_how_the_work_is_cut(folder: Path, tmp_path: Path) -> None:
    """Agents are functions of their number: shards and chunks change nothing, one is the first of many."""
    source = folder / "grid.yaml"
    tables = []
    for name, more in (("one", sets(shards=1)), ("three", sets(shards=3, chunk=7)), ("alone", sets(seeds=1))):
        qlearn(tmp_path / name, source, *SMALL, *more, "-q")
        tables.append(np.array(_q_of(tmp_path / name)))
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_array_equal(tables[0][:1], tables[2])


def _q_of(run: Path) -> np.ndarray:
    from dlkit.training.driver import open_run

    algorithm, _ = open_run(run)
    return algorithm.agents.q()


MORE = [
    sets(method="q_learning"),
    sets(method="sarsa", alpha="{start: 0.5, half: 20}"),
    sets(method="expected_sarsa", function="{name: table, ties: first}"),
    sets(method="double_q", epsilon="{start: 0.9, end: 0.1, shape: exponential}"),
    sets(method="value_iteration"),
    DEEP,
    [*DEEP, *sets(method="double_q", seeds=2)],
]


@pytest.mark.parametrize(
    "more", MORE, ids=["q", "sarsa", "expected", "double", "values", "deep", "deep double"]
)
def test_resumed_is_uninterrupted(folder: Path, tmp_path: Path, more: list[str]) -> None:
    """Stopped inside an epoch, and gone on with."""
    arguments = [
        folder / "grid.yaml",
        *sets(episodes=40, epochs=3, seeds=2, chunk=9, pictures="false"),
        *more,
    ]
    qlearn(tmp_path / "whole", *arguments, "-q")
    _stop_after(tmp_path / "part", 2, arguments)
    stopped = metrics(tmp_path / "part") if (tmp_path / "part" / "metrics.csv").is_file() else []
    assert len(stopped) < 3
    qlearn(tmp_path / "part", *arguments, "-q", "--resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def _stop_after(directory: Path, steps: int, arguments: list) -> None:
    """Run until SIGINT arrives in the second epoch, after so many steps."""
    import os
    import signal
    from unittest import mock

    from dlkit.algorithms.qlearn import QLearn

    trained = QLearn.train_epoch

    def interrupted(self: QLearn, epoch: int, skip: int = 0):
        for progress in trained(self, epoch, skip):
            if epoch == 2 and progress.step == steps:
                os.kill(os.getpid(), signal.SIGINT)
            yield progress

    with mock.patch.object(QLearn, "train_epoch", interrupted):
        done = call("qlearn", *arguments, "-q", "-o", directory)
    assert done.code == 130, done.stderr


def test_value_iteration_finds_the_optimum(folder: Path, tmp_path: Path) -> None:
    qlearn(
        tmp_path / "run", folder / "grid.yaml", *sets(method="value_iteration", epochs=1, pictures="false")
    )
    found = summary(tmp_path / "run")
    assert found["test_value"] == pytest.approx(found["optimal_value"], abs=1e-9)
    assert found["train_change"] < 1e-9


# -- what it can be asked --------------------------------------------------------------------------------
def test_evaluate_rolls_out(grid: Path) -> None:
    found = figures(grid, "-n", 4000)
    assert found["episodes"] == 4000
    assert found["test_return"] == pytest.approx(
        found["exact_return"], abs=4 * found["test_return_sd"] / 4000**0.5
    )
    assert found["exact_return"] == pytest.approx(summary(grid)["test_return"])
    assert found["exact_return"] <= found["optimal_return"] + 1e-12
    assert figures(grid, "-n", 4000) == found


def test_inspect_plays_an_episode(grid: Path) -> None:
    lines = good("inspect", grid, "--play").stdout.splitlines()
    assert lines[:3] == ["@..#", ".#.X", "...G"]
    assert lines[3].split()[:2] == ["1", "r1c1"]
    last = re.fullmatch(r"reached the goal in r3c4 after (\d+) steps, return (\S+)", lines[-1])
    assert last and float(last[2]) == pytest.approx(1 - 0.04 * int(last[1]))
    other = good("inspect", grid, "--play", "--episode", 2).stdout
    assert other.splitlines() != lines
    assert "agents" in good("inspect", grid).stdout


def test_predict_values_of_states(grid: Path, tmp_path: Path) -> None:
    done = good("predict", grid, "-", stdin=b"state\nr1c1\nr3c4\nr3c3\n")
    rows = table(done.stdout)
    assert [row["state"] for row in rows] == ["r1c1", "r3c4", "r3c3"]
    assert rows[1]["action"] == "" and rows[2]["action"] == "right"
    assert table(good("predict", grid, "-", stdin=b"row,column\n1,1\n").stdout) == rows[:1]
    assert table(good("predict", grid, "-", stdin=b"r1c1\n").stdout) == rows[:1]
    line = error_line(call("predict", grid, "-", stdin=b"state\nr1c1\nr9c1\n"), 1)
    assert line.startswith('standard input:3: "r9c1" is no state (r')


def test_the_dog_learns_its_tricks(dog: Path) -> None:
    policy = {row["state"]: row for row in table((dog / "policy.csv").read_text(encoding="utf-8"))}
    assert policy["座っている・お手!"]["action"] == "お手"
    assert policy["立っている・お手!"]["action"] == "お座り", "a paw can only be given sitting"
    assert policy["立っている・お座り!"]["action"] == "お座り"
    assert all(row["action"] == row["optimal_action"] and row["agents"] == "1.0" for row in policy.values())
    assert summary(dog)["test_success"] == pytest.approx(1)
    shown = good("inspect", dog, "--play").stdout
    assert "おやつ" in shown.splitlines()[-1]


def test_the_cliff(tmp_path: Path) -> None:
    """Sutton & Barto, example 6.6: online Q-learning falls, SARSA keeps away; greedy -13 is the best."""
    qlearn(tmp_path, RECIPES / "cliff.yaml", "-q", *sets(pictures="false"))
    online = {
        name: column(metrics(tmp_path / name)[-10:], "train_return").mean()
        for name in ("q-learning", "sarsa")
    }
    assert -55 < online["q-learning"] < -44 and -31 < online["sarsa"] < -23
    last = metrics(tmp_path / "q-learning")[-1]
    assert float(last["greedy_return"]) == float(last["optimal_return"]) == -13


@pytest.mark.parametrize(
    ("world", "least"), [("frozenlake-4x4", 0.740), ("frozenlake-8x8", 0.86), ("taxi", 7.92999)]
)
def test_what_the_recipes_reach(world: str, least: float, tmp_path: Path) -> None:
    qlearn(tmp_path / "run", RECIPES / f"{world}.yaml", "-q", *sets(pictures="false", seeds=2))
    assert summary(tmp_path / "run")["test_return"] >= least


def test_the_articles_grid(tmp_path: Path) -> None:
    qlearn(tmp_path / "run", RECIPES / "grid-article.yaml", "-q", *sets(pictures="false"))
    found = summary(tmp_path / "run")
    assert found["greedy_low"] == pytest.approx(found["optimal_return"]), "every agent walks the shortest way"


def test_a_network_learns_a_small_world(tmp_path: Path) -> None:
    function = "{name: mlp, model: [{dense: 32}], steps: 500, warm_up: 200, target_every: 100, actors: 4}"
    (tmp_path / "g.yaml").write_text("map: |\n  S..#\n  .#.X\n  ...G\nstep_cost: 0.04\n", encoding="utf-8")
    arguments = sets(function=function, epochs=6, pictures="false", discount=0.9)
    qlearn(tmp_path / "run", tmp_path / "g.yaml", "-q", *arguments)
    found = summary(tmp_path / "run")
    assert found["test_return"] == pytest.approx(found["optimal_return"])
    assert "0.dense" in good("inspect", tmp_path / "run", "--layers").stdout
    row = table(good("predict", tmp_path / "run", "-", stdin=b"r3c3\n").stdout)[0]
    assert row["action"] == "right" and float(row["value"]) == pytest.approx(0.96, abs=0.1)


# -- mistakes --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("map: |\n  ...\n  ..G\n", ["2:3: map: the map has no start (S)"]),
        ("seed: 3\nmap: |\n    S.#G\n    ..##\n", ["3:8: map: no way leads from a start to this goal"]),
        ("map: |\n  S.Q\n  ..G\n", ['2:5: map: unknown symbol "Q"']),
        ("map: |\n  S.犬\n  ..G\n", ['2:5: map: unknown symbol "犬"']),
        ("map: |\n  S..\n  .G\n", ["3:5: map: expected 3 cells as in the first row, found 2"]),
        ("map: |\n  S..\n", ["2:3: map: nothing to learn"]),
        ("map: |\n  S.G\nwind: [1, 2]\n", ["2:3: map: the map has 3 columns, wind has 2 numbers"]),
        ("map: |\n  S.G\nhorizon: 0\n", ["3:10: horizon: "]),
        ("map: |\n  S.G\nslip: 1.5\n", ["3:7: slip: must be at most 1"]),
        ("map: |\n  S.G\ncells: {S: 1}\n", ["3:8: cells: S is start already"]),
        ("map: |\n  S?G\n  S.!\n", ['2:4: map: unknown symbol "?"', '3:5: map: unknown symbol "!"']),
        ("seed: 3\n", ["1:1: no world to learn in"]),
        ("map: |\n  S.G\nworld: taxi\n", ["3:8: world: a second world beside map"]),
        ("world: taxi\nslip: 0.5\n", ["2:7: slip: only for a map"]),
        ("world: cliff\nfunction: mlp\nmethod: sarsa\n", ["3:9: method: sarsa learns a table"]),
    ],
)
def test_a_bad_world_is_located(text: str, messages: list[str], tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    done = call("qlearn", path, "-o", tmp_path / "run")
    lines = done.stderr.splitlines()
    assert done.code == 2 and len(lines) == len(messages), done.stderr
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith(f"error: {path}:{message}"), line
    assert not (tmp_path / "run").exists()


HEAD = "state,action,next,probability,reward\n"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            HEAD + "a,x,b,0.5,1\na,x,a,0.4,0\n",
            2,
            ':2: state "a", action "x": the probabilities add up to 0.9, not 1',
        ),
        (HEAD + "a,x,b,1.5,1\n", 1, ":2: column probability: 1.5 is not between 0 and 1"),
        (HEAD + "a,x,b,1,one\n", 1, ':2: column reward: expected a number, found "one"'),
        (HEAD + "a,x,b,1\n", 1, ":2: expected 5 columns, found 4"),
        (HEAD + "a,,b,1,1\n", 1, ":2: column action: the value is missing"),
        ("s,a,p,r\na,x,1,1\n", 1, ":1: no column next; the header has s, a, p, r"),
        ("a,x,b,1\n", 1, ":1: expected 5 columns"),
        ("", 1, ": the file is empty"),
    ],
)
def test_a_bad_table_is_located(text: str, code: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "表.csv"
    path.write_text(text, encoding="utf-8")
    line = error_line(call("qlearn", path, "-o", tmp_path / "run"), code)
    assert line.startswith(f"{path}{message}"), line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (sets(start="[c]"), 'start: "c" is no state of'),
        (sets(start="[b]"), 'start: "b" ends the episode'),
        (sets(goals="[d]"), ":4: no way leads from a start to goal"),
    ],
)
def test_starts_and_goals_of_a_table(more: list[str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "a,x,b,1,1\na,y,a,1,0\ne,x,d,1,1\n", encoding="utf-8")
    assert message in error_line(call("qlearn", path, "-o", tmp_path / "run", *more), 2)


def test_states_with_fewer_actions(tmp_path: Path) -> None:
    """A(s) differs: what a state does not have is never done, and empty in the files."""
    path = tmp_path / "t.csv"
    path.write_text("a,left,a,1,-1\na,right,b,1,0\nb,right,end,1,1\n", encoding="utf-8")
    qlearn(tmp_path / "run", path, *SMALL, "-q")
    rows = table((tmp_path / "run" / "qtable.csv").read_text(encoding="utf-8"))
    assert [row["state"] for row in rows] == ["a", "b"] and rows[1]["left"] == ""
    assert summary(tmp_path / "run")["test_return"] == 1


def test_bad_rows_may_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "a,x,b,1,1\na,y\na,z,b,1,0\n", encoding="utf-8")
    said = qlearn(tmp_path / "run", path, *SMALL, "--on-bad-row", "skip")
    assert f"{path}: 1 bad rows skipped, first {path}:3" in said


def test_gymnasium_that_is_not_there(tmp_path: Path) -> None:
    import importlib.util

    if importlib.util.find_spec("gymnasium"):
        pytest.skip("gymnasium is installed")
    line = error_line(call("qlearn", "--gym", "Taxi-v3", "-o", tmp_path / "run"), 1)
    assert line == 'gym: gym needs the package gymnasium (pip install "dlkit[rl]")'


def test_another_world_is_not_gone_on_with(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "a,x,b,1,1\n", encoding="utf-8")
    qlearn(tmp_path / "run", path, *SMALL, "-q")
    path.write_text(HEAD + "a,x,b,1,2\n", encoding="utf-8")
    done = call("qlearn", path, "-o", tmp_path / "run", *SMALL, "--epochs", 4, "--resume")
    assert done.code == 1 and "the world is not that of the run" in done.stderr


def test_dry_run_tells_the_optimum(folder: Path) -> None:
    shown = good("qlearn", folder / "grid.yaml", "--dry-run").stdout
    assert (
        "10 states · 4 actions · 1 start" in shown and "q_learning · 10 agents · 20 × 500 episodes" in shown
    )


def test_state_of_a_table_as_json(grid: Path) -> None:
    about = json.loads(good("inspect", grid, "--json").stdout)
    assert about["command"] == "qlearn" and len(about["metrics"]) == 4
    assert (DATA / "dog-trick.csv").is_file()
