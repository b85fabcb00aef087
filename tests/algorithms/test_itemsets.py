"""Item sets and rules by every method against trying everything, against PyFIM and against mlxtend."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.algorithms.apriori import Apriori
from dlkit.algorithms.apriori_recipe import AprioriRecipe, least_count
from dlkit.algorithms.branches import WORK, Branches
from dlkit.algorithms.eclat import DIFFSET_COST
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import UserError
from tests.algorithms import basket_oracle as oracle

METHODS = ("apriori", "fp-growth", "eclat")
GOLDEN = json.loads(
    (Path(__file__).parents[1] / "oracles" / "itemset_golden.json").read_text(encoding="utf-8")
)


def context(shards: int = 1) -> Context:
    return Context(open_backend("cpu"), Streams(1), Team(2, shards))


def mined(path: Path, method: str, shards: int = 1, **keys: Any) -> Apriori:
    """A finished run of the file."""
    recipe = AprioriRecipe.model_validate({"data": {"train": str(path)}, "algorithm": method, **keys})
    run = Apriori(recipe, context(shards))
    run.read_data()
    run.build()
    for _ in run.train_epoch(1):
        pass
    run.end_epoch(1)
    run.context.team.close()
    return run


def written(folder: Path, baskets: Sequence[Sequence[str]]) -> Path:
    path = folder / "baskets.csv"
    path.write_text("\n".join(",".join(b) + "," for b in baskets) + "\n", encoding="utf-8")
    return path


def sets_of(run: Apriori, which: Any = None) -> dict[frozenset[str], int]:
    sets = run._sets()
    numbers = np.flatnonzero(run.chosen if which is None else which)
    return {frozenset(sets.items(s)): int(sets.counts[s]) for s in numbers}


def rules_of(run: Apriori) -> dict[tuple[frozenset[str], frozenset[str]], dict[str, float]]:
    sets, rules = run._sets(), run.rules
    values = rules.measures(sets, run.n)
    return {
        (frozenset(sets.items(b)), frozenset(sets.items(h))): {m: float(v[k]) for m, v in values.items()}
        for k, (b, h) in enumerate(zip(rules.body, rules.head, strict=True))
    }


def digest(sets: dict[frozenset[str], int]) -> str:
    lines = sorted("\t".join(sorted(s)) + f"\t{n}\n" for s, n in sets.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# -- trying everything ------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("baskets", "items", "density", "count"),
    [(1, 3, 0.9, 1), (12, 6, 0.5, 2), (60, 8, 0.35, 3), (150, 9, 0.8, 60)],
)
def test_every_method_finds_what_there_is(
    method: str, baskets: int, items: int, density: float, count: int, tmp_path: Path
) -> None:
    made = oracle.made(np.random.default_rng(baskets), baskets, items, density)
    run = mined(written(tmp_path, made), method, shards=2, min_support=count, min_confidence=0.6)
    expected = oracle.item_sets(made, count)
    assert sets_of(run) == expected
    assert sets_of(run, run.closed) == oracle.closed(expected)
    assert sets_of(run, run.maximal) == oracle.maximal(expected)
    assert set(rules_of(run)) == oracle.rules(expected, 0.6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7), min_size=1, max_size=30),
    st.integers(1, 6),
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([0, DIFFSET_COST, 1 << 30]),
)
def test_any_baskets(
    tmp_path_factory: pytest.TempPathFactory,
    baskets: list[list[str]],
    count: int,
    longest: int | None,
    diffset_cost: int,
) -> None:
    """All methods, tasks cut as small as they can be; diffsets never, sometimes, always."""
    path = written(tmp_path_factory.mktemp("any"), baskets)
    expected = oracle.item_sets(baskets, count)
    within = {s: n for s, n in expected.items() if len(s) <= (longest or 9)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlkit.algorithms.eclat.DIFFSET_COST", diffset_cost)
        patch.setattr(Branches.__init__, "__kwdefaults__", {"work": 1})
        for method in METHODS:
            run = mined(path, method, min_support=count, max_length=longest, min_confidence=0.5)
            assert sets_of(run) == within, method
            assert sets_of(run, run.closed) == {
                s: n for s, n in oracle.closed(expected).items() if s in within
            }
            found = {(b, h) for b, h in oracle.rules(expected, 0.5) if b | h in within}
            assert set(rules_of(run)) == found
    assert Branches.__init__.__kwdefaults__ == {"work": WORK}


# -- what a recipe can ask for ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    baskets = oracle.made(np.random.default_rng(4), 80, 8, 0.45)
    return written(tmp_path_factory.mktemp("some"), baskets), baskets


def test_items_of_body_and_head_and_left_out(some: tuple[Path, list[list[str]]]) -> None:
    path, baskets = some
    whole = rules_of(mined(path, "eclat", min_support=0.1, min_confidence=0.5))
    may = {"body": {"i1", "i2", "i3"}, "head": {"i0", "i4", "i5", "i6", "i7"}}
    expected = {(b, h) for b, h in whole if b <= may["body"] and h <= may["head"]}
    keys = {name: sorted(items) for name, items in may.items()}
    assert (
        expected
        and set(rules_of(mined(path, "eclat", min_support=0.1, min_confidence=0.5, **keys))) == expected
    )
    only = mined(path, "eclat", min_support=0.1, head="i4")
    assert {h for _, h in rules_of(only)} == {frozenset({"i4"})}
    without = mined(path, "eclat", min_support=0.1, exclude=["i4", "i1"])
    assert sets_of(without) == {
        s: n
        for s, n in oracle.item_sets(baskets, least_count(0.1, len(baskets))).items()
        if not s & {"i4", "i1"}
    }
    short = mined(path, "eclat", min_support=0.1, max_head=1, min_lift=1.05)
    assert set(rules_of(short)) == {r for r, m in whole.items() if len(r[1]) == 1 and m["lift"] >= 1.05}


@pytest.mark.parametrize("method", METHODS)
def test_kinds_lengths_and_the_most_frequent(method: str, some: tuple[Path, list[list[str]]]) -> None:
    path, baskets = some
    expected = oracle.item_sets(baskets, 8)
    closed = mined(path, method, min_support=8, kind="closed", min_length=2)
    assert sets_of(closed) == {s: n for s, n in oracle.closed(expected).items() if len(s) > 1}
    assert {b | h for b, h in rules_of(closed)} <= set(sets_of(closed))
    top = sets_of(mined(path, method, min_support=2, min_length=2, max_length=3, top_sets=12))
    counts = sorted((n for s, n in oracle.item_sets(baskets, 2).items() if len(s) in (2, 3)), reverse=True)
    assert sorted(top.values(), reverse=True) == counts[:12]


def test_the_best_rules_are_those_of_all(some: tuple[Path, list[list[str]]]) -> None:
    path, _ = some
    for rank in ("lift", "confidence", "zhang", "support"):
        whole = mined(path, "eclat", min_support=0.05, min_confidence=0.2, rank=rank)
        best = mined(path, "fp-growth", min_support=0.05, min_confidence=0.2, rank=rank, top=17)
        assert list(rules_of(best)) == list(rules_of(whole))[:17]
        values = whole.rules.measures(whole._sets(), whole.n)[rank]
        assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"max_sets": 20}, "more than 20 item sets are in .*raise min_support.*max_sets"),
        ({"max_rules": 20}, "more than 20 rules .*min_confidence.*max_rules"),
        ({"max_mem": 2000}, "more than the 2.0 kB that may be used.*max_mem"),
    ],
)
def test_too_much_is_told(
    method: str, keys: dict[str, int], told: str, some: tuple[Path, list[list[str]]]
) -> None:
    with pytest.raises(UserError, match=told):
        mined(some[0], method, min_support=0.05, **keys)


def test_a_set_with_more_rules_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, [["a", "b", "c", "d", "e", "f"]] * 3)
    monkeypatch.setattr("dlkit.algorithms.apriori.ROOM", 2)
    assert len(mined(path, "eclat", min_support=3).rules) == 3**6 - 2 * 2**6 + 1


def test_least_count_is_as_one_would_check() -> None:
    for n in (3, 7, 100, 9835, 88162):
        for support in (0.07, 0.1, 1 / 3, 0.29, 0.57, 1.0, 1e-9):
            count = least_count(support, n)
            assert count / n >= support and (count == 1 or (count - 1) / n < support)
    assert least_count(5, 100) == 5


# -- peers ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_made_up_baskets_as_by_pyfim_and_mlxtend(method: str, tmp_path: Path) -> None:
    golden = GOLDEN["made_up"]
    keys = {name: golden[name] for name in ("min_support", "min_confidence")}
    run = mined(written(tmp_path, golden["baskets"]), method, **keys)
    for kind, which in (("all", None), ("closed", run.closed), ("maximal", run.maximal)):
        assert digest(sets_of(run, which)) == golden[kind]["sha256"], kind
    found = rules_of(run)
    assert len(found) == len(golden["rules"])
    for body, head, *values in golden["rules"]:
        for name, value in zip(golden["measures"], values, strict=True):
            mine = found[frozenset(body), frozenset(head)][name]
            expected = math.inf if value is None else value
            # mlxtend works from rounded supports: 1 - confidence has lost digits by then
            assert mine == pytest.approx(expected, rel=1e-9, abs=1e-12), (body, head, name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", GOLDEN["real"])
def test_real_baskets_as_by_pyfim_and_mlxtend(name: str, method: str, dlkit_data: Path) -> None:
    golden = GOLDEN["real"][name]
    path, confidence = dlkit_data / golden["path"], golden["min_confidence"]
    run = mined(path, method, shards=2, min_support=golden["min_support"], rules=False)
    assert run.n == golden["baskets"]
    for kind, which in (("all", None), ("closed", run.closed), ("maximal", run.maximal)):
        assert digest(sets_of(run, which)) == golden[kind]["sha256"], kind
    run = mined(path, method, min_support=golden["rule_support"], min_confidence=confidence)
    assert len(run.rules) == golden["rules"]
    for measure, total in golden["sums"].items():
        values = run.rules.measures(run._sets(), run.n)[measure]
        assert values[np.isfinite(values)].sum() == pytest.approx(total, rel=1e-9), measure
