"""SVD, SVD++ and NMF end with the factors of Surprise, from the same first factors and in the same order."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.kernels.mf_nmf import nmf_rows
from dlkit.kernels.mf_sgd import mf_sgd
from dlkit.kernels.mf_svdpp import svdpp_users

GOLDEN = json.loads(Path(__file__).with_name("surprise_golden.json").read_text(encoding="utf-8"))
K, EPOCHS, LR, REG = 4, 5, 0.02, 0.05
CLOSE = {"rtol": 1e-11, "atol": 1e-13}


@pytest.fixture
def ratings():
    columns = list(zip(*GOLDEN["ratings"], strict=True))
    users, items = (np.array(column, np.int32) for column in columns[:2])
    return users, items, np.array(columns[2])


@pytest.fixture
def first():
    """Surprise draws p, then q, then y from one generator."""
    rng = np.random.RandomState(GOLDEN["seed"])

    def draw(rows, *, uniform=False):
        size = (GOLDEN[rows], K)
        return rng.uniform(0, 1, size) if uniform else rng.normal(0, 0.1, size)

    return draw


def biases():
    return np.zeros(GOLDEN["users"]), np.zeros(GOLDEN["items"])


def test_svd(ratings, first):
    users, items, values = ratings
    p, q = first("users"), first("items")
    bu, bi = biases()
    ends = np.array([0]), np.array([len(values)])
    for _ in range(EPOCHS):
        mf_sgd(
            p,
            q,
            bu,
            bi,
            users,
            items,
            values,
            *ends,
            GOLDEN["mean"],
            LR,
            REG,
            LR,
            REG,
            1,
            0,
            np.empty((1, 2)),
        )
    for name, found in (("pu", p), ("qi", q), ("bu", bu), ("bi", bi)):
        np.testing.assert_allclose(found, GOLDEN["svd"][name], **CLOSE, err_msg=name)


def test_svdpp_for_less_work(ratings, first):
    """The sum over all that a user rated is carried along, not computed anew: the numbers are the same."""
    users, items, values = ratings
    p, q, y = first("users"), first("items"), first("items")
    bu, bi = biases()
    ends = np.searchsorted(users, np.arange(GOLDEN["users"] + 1)).astype(np.int64)
    for _ in range(EPOCHS):
        svdpp_users(
            p, q, y, bu, bi, np.arange(GOLDEN["users"]), ends, items, values, GOLDEN["mean"], LR, REG, LR,
            REG,
            np.empty(2),
        )  # fmt: skip
    for name, found in (("pu", p), ("qi", q), ("yj", y), ("bu", bu), ("bi", bi)):
        np.testing.assert_allclose(found, GOLDEN["svd++"][name], **CLOSE, err_msg=name)


def test_nmf(ratings, first):
    users, items, values = ratings
    p, q = first("users", uniform=True), first("items", uniform=True)
    by_user = np.searchsorted(users, np.arange(GOLDEN["users"] + 1)).astype(np.int64), items, values
    order = np.argsort(items, kind="stable")
    ends = np.searchsorted(items[order], np.arange(GOLDEN["items"] + 1)).astype(np.int64)
    by_item = ends, users[order], values[order]
    for _ in range(EPOCHS):
        new_p, new_q = np.empty_like(p), np.empty_like(q)
        nmf_rows(p, q, *by_user, 0.06, new_p, np.empty((len(p), 2)))
        nmf_rows(q, p, *by_item, 0.06, new_q, np.empty((len(q), 2)))
        p, q = new_p, new_q
    for name, found in (("pu", p), ("qi", q)):
        np.testing.assert_allclose(found, GOLDEN["nmf"][name], **CLOSE, err_msg=name)
