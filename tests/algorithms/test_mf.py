"""mf: the article's arithmetic, same bits for any number of threads, new users, ranked lists, splits."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from dlkit.algorithms.mf import ALGORITHM, MFRecipe
from dlkit.algorithms.mf_blocks import Blocks, groups_for
from dlkit.algorithms.mf_data import read_rating_data
from dlkit.algorithms.mf_model import biased_ridge
from dlkit.algorithms.mf_ranking import best_k, ranking_figures
from dlkit.algorithms.mf_rated import LEVELS, Rated, grouped
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import DataError
from dlkit.kernels.mf_sgd import mf_sgd
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.training.checkpoint.form import misfit
from dlkit.training.checkpoint.leaves import copy_of

MODELS = ["svd", "svd++", "nmf", "als", "baseline"]


@pytest.fixture
def ratings(tmp_path):
    """400 ratings of 30 users and 20 items that two factors and biases explain, up to noise."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(0, 0.7, (30, 2)), rng.normal(0, 0.7, (20, 2))
    cells = rng.permutation(600)[:400]
    lines = ["user,item,rating,time"]
    for n, cell in enumerate(cells.tolist()):
        u, i = divmod(cell, 20)
        r = np.clip(3.2 + 0.02 * u + p[u] @ q[i] + 0.1 * rng.normal(), 1, 5)
        lines.append(f"利用者{u},i{i},{r:.2f},{1000 + n}")
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def recipe_of(path, model="svd", data=None, **keys):
    spec = model if isinstance(model, dict) else {"name": model}
    return MFRecipe.model_validate({"data": {"train": str(path), **(data or {})}, "model": spec, **keys})


def made(recipe, *, threads=1, shards=1):
    context = Context(open_backend(dtype=recipe.dtype), Streams(recipe.seed), Team(threads, shards))
    algorithm = ALGORITHM(recipe, context)
    algorithm.read_data()
    algorithm.build()
    return algorithm


def trained(recipe, **settings):
    algorithm = made(recipe, **settings)
    rows = []
    for epoch in range(1, recipe.epochs + 1):
        for _ in algorithm.train_epoch(epoch):
            pass
        rows.append(algorithm.end_epoch(epoch))
    return algorithm, rows


# -- the article -----------------------------------------------------------------------------------
P = np.array([[1.4, 0.4, -1.2], [1.3, 1.5, -0.3], [0.8, 0.1, 0.6], [-0.7, 0.5, 1.1]])
Q = np.array([[0.6, -1.1, 1.0], [0.5, -0.4, 0.3], [1.3, 0.7, 0.5], [-0.5, 1.3, -0.1]])


def one_update(sequential):
    """User 1 rates movie 3 with 8; alpha = 0.1, so the step is 0.2 e q."""
    p, q = P.copy(), Q.copy()
    none = np.zeros(4)
    user, item, rating = np.zeros(1, np.int32), np.full(1, 2, np.int32), np.full(1, 8.0)
    ends = np.array([0]), np.array([1])
    loss = np.empty((1, 2))
    mf_sgd(p, q, none, none.copy(), user, item, rating, *ends, 0, 0.2, 0, 0.2, 0, 0, sequential, loss)
    return p, q, loss


def test_the_articles_worked_update():
    """r^ = 1.4 x 1.3 + 0.4 x 0.7 - 1.2 x 0.5 = 1.5, which the article rounds up to 1.6; with its 1.6:
    1.4 + 2 x 0.1 x (8 - 1.6) x 1.3 = 3.064."""
    estimate = float(P[0] @ Q[2])
    assert estimate == pytest.approx(1.5)
    worked = 1.4 + 2 * 0.1 * (8 - 1.6) * 1.3
    assert worked == pytest.approx(3.064)
    p, _, loss = one_update(1)
    assert p[0, 0] == pytest.approx(1.4 + 2 * 0.1 * (8 - estimate) * 1.3)
    assert loss[0] == pytest.approx([(8 - estimate) ** 2, 8 - estimate])


def test_a_step_with_the_articles_estimate_gives_3_064():
    """A rating of 7.9 has the error 6.4 that the article reckons with."""
    p, q = P.copy(), Q.copy()
    user, item, rating = np.zeros(1, np.int32), np.full(1, 2, np.int32), np.full(1, 7.9)
    ends = np.array([0]), np.array([1])
    none = np.zeros(4)
    mf_sgd(p, q, none, none.copy(), user, item, rating, *ends, 0, 0.2, 0, 0.2, 0, 0, 1, np.empty((1, 2)))
    assert p[0, 0] == pytest.approx(3.064)
    assert q[2, 0] == pytest.approx(1.3 + 2 * 0.1 * 6.4 * 3.064)


def test_the_articles_order_uses_the_new_p_for_q():
    step = 0.2 * 6.5
    p, q, _ = one_update(1)
    np.testing.assert_allclose(q[2], Q[2] + step * p[0])
    p, q, _ = one_update(0)
    np.testing.assert_allclose(q[2], Q[2] + step * P[0])


# -- the same bits -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", MODELS)
def test_threads_do_not_change_a_bit(ratings, name):
    model = {"name": name} | ({"blocks": 4} if name == "svd" else {})
    recipe = recipe_of(ratings, model, epochs=3)
    states = [trained(recipe, threads=t, shards=s)[0].state() for t, s in ((1, 1), (1, 3), (3, 3), (2, 2))]
    for state in states[1:]:
        for key, array in states[0]["model"].items():
            np.testing.assert_array_equal(state["model"][key], array, err_msg=key)
        for key, array in states[0]["sums"].items():
            np.testing.assert_array_equal(state["sums"][key], array)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stop_between_steps_is_not_seen(ratings, name, dtype):
    model = {"name": name} | ({"blocks": 4} if name == "svd" else {})
    recipe = recipe_of(ratings, model, epochs=2, dtype=dtype)
    whole, rows = trained(recipe)
    first = made(recipe)
    done = 0
    for done, _ in enumerate(first.train_epoch(1), 1):
        if done == 2:
            break
    state = first.state()
    second = made(recipe)
    second.load(state)
    for _ in second.train_epoch(1, skip=done):
        pass
    assert second.end_epoch(1) == rows[0]
    for _ in second.train_epoch(2):
        pass
    assert second.end_epoch(2) == rows[1]
    for key, array in whole.state()["model"].items():
        assert array.dtype == dtype
        np.testing.assert_array_equal(second.state()["model"][key], array)


def test_blocks_of_a_step_share_no_row(ratings):
    data = read_rating_data(RatingsSpec(train=str(ratings)), Streams(1), "error", None)
    blocks = Blocks(data.train, len(data.items), 4, Streams(1))
    blocks.fill(data.train, open_backend())
    everything = []
    for number in range(1, 5):
        first, last, _ = blocks.step(1, number)
        seen_users, seen_items = set(), set()
        for a, b in zip(first.tolist(), last.tolist(), strict=True):
            users, items = set(blocks.users[a:b].tolist()), set(blocks.items[a:b].tolist())
            assert not users & seen_users
            assert not items & seen_items
            seen_users |= users
            seen_items |= items
            everything += range(a, b)
    assert sorted(everything) == list(range(400))
    users, items = blocks.user_rows[blocks.users], blocks.item_rows[blocks.items]
    back = sorted(zip(users.tolist(), items.tolist(), blocks.values.tolist(), strict=True))
    ends, columns, values = data.train.ends, data.train.columns, data.train.values
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    assert back == sorted(zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("ratings_", "groups"), [(100, 1), (63_999, 2), (64_000, 4), (10**6, 8), (2 * 10**7, 32)]
)
def test_groups_go_by_the_number_of_ratings(ratings_, groups):
    assert groups_for(ratings_, 10**5, 10**4) == groups
    assert groups_for(ratings_, 10**5, 1) == 1


@pytest.mark.parametrize("name", MODELS)
def test_the_end_of_training_changes_no_answer(ratings, name):
    model = {"name": name} | ({"blocks": 4} if name == "svd" else {})
    algorithm, _ = trained(recipe_of(ratings, model, {"test": 0.2}, epochs=2))
    before, figures = copy_of(algorithm.state()), algorithm.test()
    algorithm.end_training()
    after = algorithm.state()
    assert algorithm.test() == figures and not misfit(before, after)
    for key, array in before["model"].items():
        np.testing.assert_array_equal(after["model"][key], array)
    algorithm.load(before)  # the best epoch's
    for key, array in before["model"].items():
        np.testing.assert_array_equal(algorithm.state()["model"][key], array)
    assert algorithm.test() == figures
    algorithm.end_training()


def test_the_end_of_training_lets_the_blocks_go(ratings):
    algorithm, _ = trained(recipe_of(ratings, {"name": "svd", "blocks": 4}, epochs=1))
    assert len(algorithm.model.blocks.users) == 400
    algorithm.end_training()
    assert algorithm.model.blocks is None


def test_saving_copies_neither_ratings_nor_factors(ratings):
    algorithm, _ = trained(recipe_of(ratings, {"name": "svd", "blocks": 4}, epochs=1))
    state = algorithm.state()
    assert np.shares_memory(state["seen"]["columns"], algorithm.seen.columns)
    assert not state["seen"]["columns"].flags.writeable
    assert copy_of(state)["seen"]["marks"] is state["seen"]["marks"]
    assert np.shares_memory(state["model"]["p"].array, algorithm.model._held["p"])


# -- what is learnt ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "rmse"),
    [
        ({"name": "svd", "factors": 3, "lr": 0.03, "reg": 0.02}, 0.2),
        ({"name": "svd", "factors": 4, "lr": 0.03, "reg": 0.0, "biases": False, "init_sd": 0.5}, 0.25),
        ({"name": "svd++", "factors": 3, "lr": 0.03}, 0.2),
        ({"name": "nmf", "factors": 4}, 0.5),
        ({"name": "baseline"}, 0.7),
    ],
)
def test_ratings_are_learnt(ratings, model, rmse):
    _, rows = trained(recipe_of(ratings, model, epochs=120))
    assert rows[-1]["train_rmse"] < rmse
    assert rows[-1]["train_rmse"] <= rows[0]["train_rmse"] + 1e-3  # the penalty falls as well


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_als_finds_who_belongs_to_what(tmp_path, solver):
    """Two groups of users, each with items of its own: what is missing is recommended, and the loss falls."""
    rng = np.random.default_rng(1)
    lines = [
        f"u{u},{'ab'[u % 2]}{i},1" for u in range(20) for i in range(8) if rng.random() < 0.7 or i == u % 8
    ]
    path = tmp_path / "plays.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = {"name": "als", "factors": 4, "solver": solver, "reg": 0.5}
    algorithm, rows = trained(recipe_of(path, model, epochs=12))
    losses = [row["train_loss"] for row in rows]
    assert all(b <= a + 1e-6 for a, b in pairwise(losses))
    for name in ("u0", "u1"):
        (answer,) = algorithm.recommend([name], {"top": 2})
        assert all(item[0] == "ab"[int(name[1]) % 2] for item in answer.columns[2])


def test_als_loss_is_the_objective(ratings):
    recipe = recipe_of(
        ratings, {"name": "als", "factors": 3, "alpha": 2.0, "reg": 0.7}, epochs=1, dtype="float64"
    )
    algorithm, rows = trained(recipe)
    p, q = algorithm.model.parameters["p"], algorithm.model.parameters["q"]
    r = np.zeros((30, 20))
    ends, columns, values = algorithm.seen.ends, algorithm.seen.columns, algorithm.seen.values
    r[np.repeat(np.arange(30), np.diff(ends)), columns] = values
    loss = ((1 + 2.0 * r) * ((r > 0) - p @ q.T) ** 2).sum() + 0.7 * ((p**2).sum() + (q**2).sum())
    assert rows[0]["train_loss"] == pytest.approx(loss / 600, rel=1e-9)


# -- new users -----------------------------------------------------------------------------------------
def test_a_fold_in_minimises_the_training_loss():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    bias, w = biased_ridge(x, y, 0.1, 0.7)

    def loss(b, v):
        return ((b + x @ v - y) ** 2).sum() + 30 * (0.7 * b**2 + 0.1 * (v**2).sum())

    for nudge in np.eye(5) * 1e-3:
        for sign in (-1, 1):
            assert loss(bias + sign * nudge[0], w + sign * nudge[1:]) > loss(bias, w)
    assert biased_ridge(x, y, 0.0, 0.0)[0] == pytest.approx(np.linalg.lstsq(np.c_[np.ones(30), x], y)[0][0])


@pytest.mark.parametrize("name", MODELS)
def test_a_folded_in_user_is_like_the_trained_one(ratings, tmp_path, name):
    settings = {"svd": {"factors": 3, "lr": 0.02}, "svd++": {"factors": 3, "lr": 0.02}}.get(name, {})
    if name in {"nmf", "als"}:
        settings = {"factors": 3}
    recipe = recipe_of(ratings, {"name": name, **settings}, epochs=150)
    algorithm, _ = trained(recipe)
    lines = [line for line in ratings.read_text(encoding="utf-8").split("\n") if line.startswith("利用者7,")]
    mine = tmp_path / "mine.csv"
    mine.write_text(
        "user,item,rating,time\n" + "\n".join(lines).replace("利用者7", "新人") + "\n", encoding="utf-8"
    )
    (known,) = algorithm.recommend(["利用者7"], {"top": 20, "rated_too": True})
    (guest,) = algorithm.recommend([], {"top": 20, "rated_too": True, "ratings": mine})
    assert guest.columns[0] == ["新人"] * 20
    a, b = (dict(zip(x.columns[2], x.columns[3], strict=True)) for x in (known, guest))
    assert np.mean([abs(float(a[i]) - float(b[i])) for i in a]) < 0.15
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("新人,i3\n誰,i3\n新人,nothing\n", encoding="utf-8")
    (answer,) = algorithm.predict(str(pairs), {"ratings": mine})
    assert list(answer.columns[3]) == ["", "user", "item"]
    assert float(answer.columns[2][0]) == pytest.approx(float(b["i3"]), abs=1e-5)


# -- cold start ----------------------------------------------------------------------------------------
def test_cold_pairs_are_named_and_answered_from_what_is_known(ratings, tmp_path):
    algorithm, _ = trained(recipe_of(ratings, epochs=2))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user,item\n利用者1,i1\n利用者1,i99\n誰か,i1\n誰か,i99\n", encoding="utf-8")
    (answer,) = algorithm.predict(str(pairs), {})
    assert answer.header == ["user", "item", "rating", "cold"]
    assert list(answer.columns[3]) == ["", "item", "user", "user item"]
    model = algorithm.model
    u, i = algorithm.users.index("利用者1"), algorithm.items.index("i1")
    expected = [model.mu + model.parameters["bu"][u], model.mu + model.parameters["bi"][i], model.mu]
    np.testing.assert_allclose(answer.columns[2][1:], expected, rtol=1e-6)


@pytest.mark.parametrize("model", [{"name": "nmf"}, {"name": "svd", "biases": False}])
def test_without_biases_a_cold_pair_gets_the_mean(ratings, tmp_path, model):
    algorithm, _ = trained(recipe_of(ratings, model, epochs=1))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("誰か,i1\n", encoding="utf-8")
    (answer,) = algorithm.predict(str(pairs), {})
    assert float(answer.columns[2][0]) == pytest.approx(float(algorithm.seen.values.mean()), rel=1e-6)


# -- ranked lists ----------------------------------------------------------------------------------------
def test_ranking_figures_by_hand():
    """Lists a b c / d e f, liked {b} and {d, f, x}: worked out on paper."""
    lists = np.array([[0, 1, 2], [3, 4, 5]])
    liked = [np.array([1]), np.array([3, 5, 9])]
    figures = ranking_figures(np.array([0, 1]), liked.__getitem__, lambda users: lists[users], 3, 10)
    best = 1 + 1 / math.log2(3) + 0.5
    expected = {
        "precision_at_k": (1 / 3 + 2 / 3) / 2,
        "recall_at_k": (1 + 2 / 3) / 2,
        "ndcg_at_k": (1 / math.log2(3) + (1 + 0.5) / best) / 2,
        "map_at_k": (1 / 2 + (1 + 2 / 3) / 3) / 2,
        "coverage": 0.6,
    }
    assert figures == pytest.approx(expected)


def test_best_k_takes_the_first_of_equals_and_no_excluded_ones():
    scores = np.array([[1.0, 3.0, 3.0, 3.0, 0.0], [-np.inf, 2.0, -np.inf, -np.inf, -np.inf]])
    assert best_k(scores, 2).tolist() == [[1, 2], [1, -1]]
    assert best_k(scores, 9).tolist()[0] == [1, 2, 3, 0, 4]


def test_what_was_rated_is_not_recommended(ratings):
    algorithm, _ = trained(recipe_of(ratings, epochs=2))
    (answer,) = algorithm.recommend(["利用者3"], {"top": 50})
    rated = {algorithm.items[i] for i in algorithm.seen.of(algorithm.users.index("利用者3"))[0]}
    assert not rated & set(answer.columns[2])
    assert len(answer.columns[2]) == 20 - len(rated)
    scores = np.array(answer.columns[3], float)
    assert (np.diff(scores) <= 0).all()


# -- splits ----------------------------------------------------------------------------------------------
def parts(path, **spec):
    data = read_rating_data(RatingsSpec(train=str(path), **spec), Streams(1), "error", None)

    def cells(part):
        users, items, _ = part
        return set(zip(users.tolist(), items.tolist(), strict=True))

    train = cells((data.train.rows(), data.train.columns, None))
    return SimpleNamespace(
        data=data,
        train=train,
        valid=cells(data.valid) if data.valid else set(),
        test=cells(data.test) if data.test else set(),
    )


@pytest.mark.parametrize(("test", "valid", "sizes"), [(0.25, 0.1, (270, 30, 100)), (40, 60, (300, 60, 40))])
@pytest.mark.parametrize("split", ["random", "time"])
def test_shares_and_numbers(ratings, split, test, valid, sizes):
    found = parts(ratings, test=test, valid=valid, split=split)
    assert (len(found.train), len(found.valid), len(found.test)) == sizes
    assert len(found.train | found.valid | found.test) == 400


def test_time_keeps_the_latest(ratings):
    lines = ratings.read_text(encoding="utf-8").split("\n")[1:-1]
    latest = {tuple(line.split(",")[:2]) for line in lines[-40:]}
    found = parts(ratings, test=40, split="time")
    users, items = found.data.users.texts(), found.data.items.texts()
    assert {(users[u], items[i]) for u, i in found.test} == latest


@pytest.mark.parametrize("split", ["leave_out", "leave_latest"])
def test_some_of_each_user(ratings, split):
    found = parts(ratings, test=2, valid=1, split=split)
    counts = np.bincount([u for u, _ in found.test], minlength=30)
    totals = np.bincount([u for u, _ in found.train | found.valid | found.test], minlength=30)
    assert (counts == np.where(totals > 2, 2, 0)).all()
    assert len(found.valid) <= 30


def test_folds_share_everything_out(ratings):
    folds = [parts(ratings, fold={"index": k, "of": 3}) for k in range(3)]
    assert [len(fold.test) for fold in folds] == [134, 133, 133]
    assert not folds[0].test & folds[1].test
    assert len(folds[0].test | folds[1].test | folds[2].test) == 400
    assert all(not fold.train & fold.test for fold in folds)


def test_a_test_file_may_hold_strangers(ratings, tmp_path):
    other = tmp_path / "test.csv"
    other.write_text("user,item,rating\n利用者1,i1,4\nwho,what,2\n", encoding="utf-8")
    algorithm, _ = trained(recipe_of(ratings, data={"test": str(other)}, epochs=1))
    figures = algorithm.test()
    assert set(figures) >= {"test_rmse", "test_mae"}
    assert "who" in algorithm.users
    assert (algorithm.model.parameters["p"][algorithm.users.index("who")] == 0).all()


# -- repeats -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("how", "value"), [("last", 2.0), ("mean", 3.0), ("sum", 9.0)])
def test_repeats(tmp_path, how, value):
    path = tmp_path / "r.csv"
    path.write_text("u,a,3\nu,b,1\nu,a,4\nv,a,5\nu,a,2\n", encoding="utf-8")
    data = read_rating_data(RatingsSpec(train=str(path), duplicates=how), Streams(1), "error", None)
    items, values = data.train.of(0)
    assert dict(zip(items.tolist(), values.tolist(), strict=True)) == {0: value, 1: 1.0}
    assert data.notes == [
        f"{path}: 2 ratings repeat a user and item: "
        + {"last": "the last one holds", "mean": "their mean holds", "sum": "they are added up"}[how]
    ]


def test_repeats_may_be_an_error(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("u,a,3\nu,a,4\n", encoding="utf-8")
    with pytest.raises(DataError, match="item a is rated twice by one user"):
        read_rating_data(RatingsSpec(train=str(path), duplicates="error"), Streams(1), "error", None)


@pytest.mark.parametrize("different", [1, 7, LEVELS, LEVELS + 1])
def test_ratings_are_kept_as_they_are(different):
    """In a byte each where they are few different ones; the same numbers come back."""
    rng = np.random.default_rng(different)
    n, values = 600, rng.permutation(np.arange(600) % different).astype(np.float32) / 3 - 5
    users, items = rng.integers(0, 9, n, np.int32), rng.integers(0, 7, n, np.int32)
    kept = Rated.of_lists([users, items, values], 10)
    assert kept.marks.dtype == (np.uint8 if different <= LEVELS else np.float32)
    plain = grouped(users, items, values, 10)
    for mine, other in zip((kept.ends, kept.columns, kept.values), plain, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert [a.tolist() for a in kept.of(3)] == [a.tolist() for a in plain.of(3)]
    assert kept.scale() == (float(values.min()), float(values.max()))
    assert kept.mean() == pytest.approx(values.mean(dtype=np.float64), abs=1e-12)
    assert kept.item_counts(8).tolist() == np.bincount(items, minlength=8).tolist()
    again = Rated.checked(kept.arrays, 10, 7)
    np.testing.assert_array_equal(again.values, plain.values)
    broken = (
        {"columns": kept.columns + 1},
        {"ends": kept.ends[:-1]},
        {"marks": kept.marks[:-1]},
        {"marks": kept.marks.astype(np.float64)},
        {"levels": np.zeros(1 if different > LEVELS else different - 1, np.float32)},
    )
    for wrong in broken:
        with pytest.raises(DataError, match="do not fit"):
            Rated.checked(kept.arrays | wrong, 10, 7)


def test_grouped_keeps_the_order_within_a_row():
    rows, columns = np.array([2, 0, 2, 0], np.int32), np.array([1, 2, 3, 4], np.int32)
    made_ = grouped(rows, columns, np.arange(4, dtype=np.float32), 3)
    assert made_.ends.tolist() == [0, 2, 2, 4]
    assert made_.columns.tolist() == [2, 4, 1, 3]
