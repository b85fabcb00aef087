"""dlkit bandit as a user meets it: arms, contexts, logs, mistakes, questions."""

import csv
import os
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

SHORT = ["--steps", 150, "--epochs", 4, "--runs", 3, "-q"]


@pytest.fixture(scope="module")
def golf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contexts: is it weather for golf? With the log of its first two runs."""
    run = tmp_path_factory.mktemp("bandit") / "golf"
    good("bandit", DATA / "golf.csv", "-o", run, *SHORT, *sets(logs=2, policy="thompson_linear"))
    return run


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of actions by chance."""
    run = tmp_path_factory.mktemp("fair") / "log"
    given = ["--steps", 1500, "--epochs", 1, "--runs", 1, "-q", *sets(logs=1, policy="uniform")]
    good("bandit", DATA / "golf.csv", "-o", run, *given)
    return run / "log.csv"


# -- what a run leaves ------------------------------------------------------------------------------
def test_arms_by_default(tmp_path: Path) -> None:
    run = tmp_path / "腕"
    done = good("bandit", DATA / "arms.csv", "-o", run, *SHORT)
    assert "train_regret" in done.stdout
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    assert "name: thompson\n" in recipe, "auto is settled"
    rows = metrics(run)
    assert column(rows, "train_decisions").tolist() == [150, 300, 450, 600]
    regret = column(rows, "train_regret")
    assert (np.diff(regret) > 0).all() and regret[0] / 150 > (regret[3] - regret[2]) / 150
    curve = table((run / "regret.csv").read_text(encoding="utf-8"))
    each = np.array([[float(row[f"run_{r}"]) for r in (1, 2, 3)] for row in curve])
    np.testing.assert_allclose(each.mean(1), regret, rtol=1e-12)
    np.testing.assert_allclose(each.std(1, ddof=1), column(rows, "train_regret_sd"), rtol=1e-9)
    assert (run / "regret.png").read_bytes().startswith(b"\x89PNG")
    assert "mean reward" in good("inspect", run).stdout


def test_the_recipe_of_the_run_repeats_it(golf: Path, tmp_path: Path) -> None:
    good("bandit", golf / "recipe.yaml", "-o", tmp_path / "again", "-q", "--threads", 2)
    assert contents(tmp_path / "again") == contents(golf)


@pytest.mark.parametrize(
    "policy",
    ["thompson_linear", "{name: epsilon_greedy, epsilon: 0.1}", "linucb", "ucb1",
     "{name: thompson_dropout, every: 10, updates: 2}",
     "{name: epsilon_greedy, estimates: {name: network, every: 10, updates: 2}}"],
)  # fmt: skip
def test_stopped_and_resumed_it_ends_with_the_same_bytes(policy: str, tmp_path: Path) -> None:
    given = ["bandit", DATA / "golf.csv", "--steps", 40, "--runs", 3, "-q", *sets(policy=policy, logs=1)]
    good(*given, "--epochs", 4, "-o", tmp_path / "whole", "--threads", 2)
    good(*given, "--epochs", 2, "-o", tmp_path / "parts", "--threads", 1)
    good(*given, "--epochs", 4, "-o", tmp_path / "parts", "--resume")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_variants_lie_side_by_side(tmp_path: Path) -> None:
    given = sets(runs=2, steps=50, epochs=3)
    good("bandit", RECIPES / "bandit-bernoulli.yaml", "-o", tmp_path / "run", "-q", *given)
    rows = table((tmp_path / "run" / "compare.csv").read_text(encoding="utf-8"))
    assert {row["member"] for row in rows} == {"thompson", "ucb1", "epsilon 0.1", "epsilon halved"}
    assert (tmp_path / "run" / "compare.png").is_file()


def test_rewards_by_class(tmp_path: Path) -> None:
    rewards = "{yes: {play: [4, 6], 休む: 0}, no: {play: [2, -10]}}"
    run = tmp_path / "run"
    given = [*SHORT, *sets(logs=1, policy="thompson_linear")]
    good("bandit", DATA / "golf.csv", "-o", run, *given, "--set", f"rewards={rewards}")
    seen = {(row["action"], row["reward"]) for row in table((run / "log.csv").read_text(encoding="utf-8"))}
    assert seen <= {("play", "4.0"), ("play", "6.0"), ("play", "2.0"), ("play", "-10.0"), ("休む", "0.0")}
    answer = table(good("predict", run, DATA / "golf.csv").stdout)
    assert set(answer[0]) == {"action", "p_play", "p_休む", "mean_play", "mean_休む"}


def test_baskets_whose_class_is_an_item(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [f"{good} {10 + good} {int(rng.integers(20, 25))}" for good in rng.integers(1, 3, 200)]
    (tmp_path / "mush.dat").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = [*SHORT, "--set", 'rewards={"2": {eat: 5, leave: 0}, "1": {eat: [5, -35], leave: 0}}']
    run = tmp_path / "run"
    good("bandit", tmp_path / "mush.dat", "-o", run, *given, *sets(logs=1))
    assert summary(run)["train_best"] > 0.9
    (tmp_path / "new.dat").write_text("12 20\n11 21 99\n", encoding="utf-8")
    done = good("predict", run, tmp_path / "new.dat")
    assert [row["action"] for row in table(done.stdout)] == ["eat", "leave"]
    assert "1 categories or items unknown" in done.stderr
    assert figures(run, run / "log.csv")["rows"] == 600


@pytest.mark.skipif("DLKIT_DATA" not in os.environ, reason="the mushrooms are found through DLKIT_DATA")
def test_on_the_mushrooms_an_exact_posterior_loses_less_than_chance_does(tmp_path: Path) -> None:
    lost = {}
    for name, policy in {
        "linear": "thompson_linear",
        "greedy": "{name: epsilon_greedy, epsilon: 0.1}",
    }.items():
        given = sets(variants="{}", policy=policy, runs=3, steps=500, epochs=3)
        good("bandit", RECIPES / "bandit-mushroom.yaml", "-o", tmp_path / name, "-q", *given)
        lost[name] = summary(tmp_path / name)["train_regret"]
    assert lost["linear"] < 1500 < lost["greedy"], lost


# -- questions -----------------------------------------------------------------------------------------
def test_predict_gives_probabilities_and_expected_rewards(golf: Path) -> None:
    rows = table(good("predict", golf, DATA / "golf.csv").stdout)
    assert len(rows) == 14
    p = np.array([[float(row["p_no"]), float(row["p_yes"])] for row in rows])
    np.testing.assert_allclose(p.sum(1), 1)
    chosen = [row["action"] for row in rows]
    assert chosen == [["no", "yes"][k] for k in p.argmax(1)]
    right = [row["play"] for row in table((DATA / "golf.csv").read_text(encoding="utf-8"))]
    assert np.mean([a == b for a, b in zip(chosen, right, strict=True)]) > 0.9
    piped = good("predict", golf, "-", stdin=(DATA / "golf.csv").read_bytes())
    assert table(piped.stdout) == rows


def test_evaluate_finds_the_worth_of_a_policy_in_somebody_elses_log(golf: Path, fair: Path) -> None:
    found = figures(golf, fair)
    assert found["rows"] == 1500 and found["test_logged_value"] == pytest.approx(0.5, abs=0.05)
    for name in ("replay", "ips", "snips"):
        assert found[f"test_{name}_value"] == pytest.approx(0.95, abs=0.06), name
    assert found["test_replay_rows"] == pytest.approx(750, abs=100)


def test_a_log_is_replayed_and_learnt_from(fair: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = good("bandit", fair, "-o", run, "--runs", 2, "--steps", 400, "--set", "policy=thompson_linear")
    assert "kind: log" in done.stderr
    rows = metrics(run)
    assert column(rows, "train_decisions").tolist() == [400, 800, 1200, 1500], "a pass over the log"
    assert "epochs: 4" in (run / "recipe.yaml").read_text(encoding="utf-8")
    value = column(rows, "train_replay_value")
    assert value[-1] > value[0] and value[-1] > 0.75
    assert (run / "value.csv").is_file() and (run / "value.png").is_file()
    assert figures(run, fair)["test_ips_value"] > 0.8


def test_a_log_is_what_somebody_else_may_write(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    with (tmp_path / "clicks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["年齢", "広告", "click", "chance"])
        for _ in range(300):
            age, ad = int(rng.integers(20, 60)), str(rng.choice(["車", "本"], p=[0.3, 0.7]))
            paid = rng.random() < (0.8 if (ad == "車") == (age > 40) else 0.1)
            writer.writerow([age, ad, int(paid), {"車": 0.3, "本": 0.7}[ad]])
    names = sets(data__kind="log", data__action="広告", data__reward="click", data__probability="chance")
    good("bandit", tmp_path / "clicks.csv", "-o", tmp_path / "run", "-q", "--runs", 1, *names)
    rows = table(good("predict", tmp_path / "run", "-", stdin="年齢\n25\n55\n".encode()).stdout)
    assert [row["action"] for row in rows] == ["本", "車"]


# -- mistakes ------------------------------------------------------------------------------------------
def refused(code: int, *arguments: object, stdin: bytes = b"") -> str:
    return error_line(call(*arguments, stdin=stdin), code)


def test_bad_arms(tmp_path: Path) -> None:
    def said(text: str, *more: object) -> str:
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        return refused(1, "bandit", tmp_path / "a.csv", "-o", tmp_path / "run", "-q", *more)

    assert "a.csv:3: column mean: the probability of a reward of 1 lies between 0 and 1, found 1.5" in said(
        "arm,mean\nA,0.5\nB,1.5\n"
    )
    assert 'a.csv:3: arm "A" stands twice' in said("arm,mean\nA,0.5\nA,0.4\n")
    assert "1 arm: nothing to choose from" in said("arm,mean\nA,0.5\n")
    assert "a.csv:2: column sd: a standard deviation is 0 or more" in said("arm,mean,sd\nA,5,-1\nB,4,1\n")
    assert 'expected a number, found "x"' in said("arm,mean\nA,x\nB,0.1\nC,0.2\n")
    assert not (tmp_path / "run").exists()
    (tmp_path / "a.csv").write_text("arm,mean\nA,0.5\nB,1.5\nC,0.2\n", encoding="utf-8")
    good("bandit", tmp_path / "a.csv", "-o", tmp_path / "run", *SHORT, "--on-bad-row", "skip")


def test_bad_logs(golf: Path, tmp_path: Path) -> None:
    def said(text: str) -> str:
        (tmp_path / "log.csv").write_text(text, encoding="utf-8")
        return refused(1, "evaluate", golf, tmp_path / "log.csv")

    head = "outlook,temperature,humidity,windy,action,probability,reward\n"
    assert "log.csv:2: the probability of the action taken lies above 0" in said(
        f"{head}sunny,hot,high,false,no,0,1\n"
    )
    assert 'log.csv:3: action "maybe" is none of the policy' in said(
        f"{head}sunny,hot,high,false,no,.5,1\nsunny,hot,high,false,maybe,.5,1\n"
    )
    assert 'there is no column "probability"' in said(
        head.replace("probability,", "") + "sunny,hot,high,false,no,1\n"
    )
    assert 'missing column "windy"' in said(
        "outlook,temperature,humidity,action,probability,reward\nsunny,hot,high,no,.5,1\n"
    )
    assert "name a log" in refused(2, "evaluate", golf)


def test_recipes_that_cannot_be(tmp_path: Path) -> None:
    arms, golf = DATA / "arms.csv", DATA / "golf.csv"
    out = ["-o", tmp_path / "run", "-q"]
    assert "no GPU is used" in refused(2, "bandit", arms, "--gpu", *out)
    assert "unknown policy" in refused(2, "bandit", arms, *out, "--set", "policy=thomson")
    assert "no dropout" in refused(
        2, "bandit", golf, *out, "--set", "policy={name: thompson_dropout, model: [{dense: 3}]}"
    )
    assert "rewards: are for rows with a class" in refused(
        2, "bandit", arms, *out, "--set", "rewards={A: {x: 1}}"
    )
    assert "class 'no' has no rewards" in refused(
        1, "bandit", golf, *out, "--set", "rewards={yes: {a: 1, b: 2}}"
    )
    assert "logs: 4 of 3 runs" in refused(2, "bandit", arms, *out, "--runs", 3, *sets(logs=4))
    assert "no context to answer for" in refused_after(tmp_path)
    (tmp_path / "x.dat").write_text("1 2\n", encoding="utf-8")
    assert "which items are the classes?" in refused(1, "bandit", tmp_path / "x.dat", *out)


def refused_after(tmp_path: Path) -> str:
    good("bandit", DATA / "arms.csv", "-o", tmp_path / "arms", *SHORT)
    return refused(2, "predict", tmp_path / "arms", DATA / "golf.csv")
