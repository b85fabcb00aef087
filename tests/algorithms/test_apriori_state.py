"""Runs of apriori stopped after any step and gone on with; states that are none; several ranks."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.apriori import Apriori
from dlkit.algorithms.apriori_recipe import AprioriRecipe
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.machines import Alone, Comm
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import UserError
from dlkit.training.checkpoint.form import misfit
from tests.algorithms import basket_oracle as oracle

METHODS = ("apriori", "fp-growth", "eclat")
State = dict[str, Any]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps of little work."""
    monkeypatch.setattr("dlkit.algorithms.levelwise.STEP_CANDIDATES", 9)
    monkeypatch.setattr("dlkit.algorithms.apriori.RULE_SETS", 7)
    monkeypatch.setattr("dlkit.algorithms.branches.WINDOW", 2)
    defaults = sys.modules["dlkit.algorithms.branches"].Branches.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "work", 25)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "b.csv"
    baskets = oracle.made(np.random.default_rng(7), 70, 8, 0.45)
    path.write_text("\n".join(",".join(b) + "," for b in baskets), encoding="utf-8")
    return path


def made(file: Path, method: str, comm: Comm | None = None, **keys: Any) -> Apriori:
    given = {"data": {"train": str(file)}, "algorithm": method, "min_support": 0.1, "min_confidence": 0.7}
    context = Context(open_backend("cpu"), Streams(1), Team(1, 2), comm=comm or Alone())
    run = Apriori(AprioriRecipe.model_validate(given | keys), context)
    run.read_data()
    run.build()
    return run


def finished(run: Apriori) -> dict[str, Any]:
    for _ in run.train_epoch(1):
        pass
    return {"row": run.end_epoch(1), "files": dict(run.artifacts())}


@pytest.mark.parametrize(
    "keys", [{}, {"top_sets": 30}, {"top": 11, "rank": "lift", "max_length": 4}], ids=str
)
@pytest.mark.parametrize("method", METHODS)
def test_stopped_anywhere_and_gone_on_with(method: str, keys: dict[str, Any], file: Path) -> None:
    keys = keys | {"pictures": False}
    whole = made(file, method, **keys)
    states: list[State] = []
    for progress in whole.train_epoch(1):
        assert progress.step == len(states) + 1
        states.append(whole.state())
    expected = {"row": whole.end_epoch(1), "files": dict(whole.artifacts())}
    assert len(states) > 8
    for step, state in list(enumerate(states, 1))[:: max(1, len(states) // 12)]:
        again = made(file, method, **keys)
        again.load(state)
        assert not misfit(state, again.state())
        steps = [progress.step for progress in again.train_epoch(1, skip=step)]
        assert steps == list(range(step + 1, len(states) + 1))
        assert {"row": again.end_epoch(1), "files": dict(again.artifacts())} == expected


def test_a_finished_state_answers_and_others_do_not_crash(file: Path) -> None:
    run = made(file, "eclat", pictures=False)
    early = run.state()
    finished(run)
    for state in (early, run.state()):
        restored = Apriori.restore(run.recipe, state, run.context)
        restored.describe()
        if not state["ordered"]:
            with pytest.raises(UserError, match="--resume"):
                list(restored.recommend(["i0"], {}))
    (answer,) = restored.recommend(["i0"], {"top": 3})
    assert answer.header == ["item", "confidence", "lift", "support", "because"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s["found"].update(members=s["found"]["members"] + 9),
        lambda s: s["found"].update(members=s["found"]["members"][1:]),
        lambda s: s["found"].update(lengths=s["found"]["lengths"] * 0),
        lambda s: s["found"].update(counts=s["found"]["counts"].astype(np.float64)),
        lambda s: s["rules"].update(body=s["rules"]["body"] + 10**6),
        lambda s: s["rules"].update(head=s["rules"]["head"][:-1]),
        lambda s: s.update(closed=s["closed"][:-1]),
        lambda s: s.update(baskets=0),
        lambda s: s.update(next_set=-1),
    ],
)
def test_a_state_that_cannot_be_is_refused(spoil: Any, file: Path) -> None:
    run = made(file, "eclat")
    finished(run)
    state = run.state()
    spoil(state)
    with pytest.raises((ValueError, IndexError)):
        Apriori.restore(run.recipe, state, run.context)


@pytest.mark.parametrize("method", ["eclat", "fp-growth"])
@pytest.mark.parametrize(
    "tasks",
    [
        {"members": np.array([0, 99]), "starts": np.array([0, 2])},
        {"members": np.array([1, 0]), "starts": np.array([0, 2])},
        {"members": np.array([0, 1]), "starts": np.array([0, 1])},
        {"members": np.array([0, 1]), "starts": np.array([0, 0, 2])},
        {"members": np.zeros(0, np.int64), "starts": np.zeros(0, np.int64)},
    ],
)
def test_tasks_that_cannot_be_are_refused(method: str, tasks: State, file: Path) -> None:
    run = made(file, method)
    state = run.state()
    state["engine"]["tasks"] = tasks
    with pytest.raises(ValueError, match="tasks"):
        run.load(state)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_find_what_one_finds(method: str, ranks: int, file: Path) -> None:
    from tests.machines import thread_ranks

    expected = finished(made(file, method, pictures=False))
    results = thread_ranks.on_ranks(ranks, lambda comm: finished(made(file, method, comm, pictures=False)))
    for result in results:
        assert not isinstance(result, BaseException), result
        assert result == expected
