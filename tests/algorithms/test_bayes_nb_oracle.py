"""Naive Bayes against scikit-learn: vocabularies and counts exactly, posteriors to 1e-9."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

from tests.algorithms.bayes import posteriors, trained

CLASSES = np.array(["north", "south", "west"])
NEAR = {"rtol": 0, "atol": 1e-9}


def write(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    names = [f"x{k}" for k in range(x.shape[1])]
    rows = [",".join([*map(str, row), label]) for row, label in zip(x.tolist(), y, strict=True)]
    path.write_text("\n".join([",".join([*names, "label"]), *rows]) + "\n", encoding="utf-8")
    return path


def compare(ours: np.ndarray, theirs: Any, x: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs.predict_proba(x), **NEAR)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# -- tables -------------------------------------------------------------------------------------
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_categorical(rng: np.random.Generator, tmp_path: Path, alpha: float) -> None:
    y = rng.integers(0, 3, 300)
    x = np.stack([rng.integers(0, k, 300) for k in (2, 3, 5)], 1)
    x[:5, 2] = np.arange(5)
    x[:, 1] = (x[:, 1] + y) % 3
    model = trained(write(tmp_path / "t.csv", x, CLASSES[y]), model="categorical", alpha=alpha)
    compare(posteriors(model, tmp_path / "t.csv"), CategoricalNB(alpha=alpha).fit(x, y), x)


@pytest.mark.parametrize("alpha", [1.0, 1e-3])
def test_bernoulli(rng: np.random.Generator, tmp_path: Path, alpha: float) -> None:
    y = rng.integers(0, 3, 200)
    x = rng.normal(size=(200, 6)) + y[:, None] / 2
    model = trained(write(tmp_path / "t.csv", x, CLASSES[y]), model="bernoulli", alpha=alpha, binarize=0.4)
    compare(posteriors(model, tmp_path / "t.csv"), BernoulliNB(alpha=alpha, binarize=0.4).fit(x, y), x)


@pytest.mark.parametrize(
    ("model", "theirs"),
    [
        ({"model": "multinomial", "alpha": 0.5}, MultinomialNB(alpha=0.5)),
        ({"model": "multinomial", "prior": "uniform"}, MultinomialNB(fit_prior=False)),
        (
            {"model": "multinomial", "prior": {"north": 2.0, "south": 1.0, "west": 1.0}},
            MultinomialNB(class_prior=[0.5, 0.25, 0.25]),
        ),
        ({"model": "complement", "alpha": 0.5}, ComplementNB(alpha=0.5)),
        ({"model": "complement", "norm": True}, ComplementNB(norm=True)),
    ],
)
def test_counts(rng: np.random.Generator, tmp_path: Path, model: Any, theirs: Any) -> None:
    y = rng.integers(0, 3, 150)
    x = rng.poisson(1 + np.eye(3, 7)[y])
    made = trained(write(tmp_path / "t.csv", x, CLASSES[y]), **model)
    compare(posteriors(made, tmp_path / "t.csv"), theirs.fit(x, y), x)


@pytest.mark.parametrize("smoothing", [1e-9, 0.01])
def test_gaussian(rng: np.random.Generator, tmp_path: Path, smoothing: float) -> None:
    y = rng.integers(0, 3, 150)
    x = 1000 + rng.normal(size=(150, 4)) * [1, 10, 0.1, 3] + y[:, None]
    model = trained(write(tmp_path / "t.csv", x, CLASSES[y]), var_smoothing=smoothing)
    assert set(model.evidence.columns.kinds) == {"gaussian"}  # type: ignore[attr-defined]
    compare(posteriors(model, tmp_path / "t.csv"), GaussianNB(var_smoothing=smoothing).fit(x, y), x)


def test_mixed_columns_multiply(rng: np.random.Generator, tmp_path: Path) -> None:
    """Columns of three kinds: the product of what scikit-learn's models say of each."""
    y = rng.integers(0, 3, 200)
    numbers = rng.normal(size=(200, 2)) + y[:, None]
    letters = rng.integers(0, 3, (200, 1))
    counts = rng.poisson(1 + np.eye(3)[y])
    x = np.concatenate(
        [numbers.astype(object), np.array(list("abc"), object)[letters], counts.astype(object)], 1
    )
    kinds = {f"x{k}": "multinomial" for k in (3, 4, 5)}
    model = trained(write(tmp_path / "t.csv", x, CLASSES[y]), columns=kinds)
    prior = np.log(np.bincount(y) / len(y))
    joint = GaussianNB().fit(numbers, y).predict_joint_log_proba(numbers)
    joint = joint + CategoricalNB().fit(letters, y).predict_joint_log_proba(letters) - prior
    joint = joint + MultinomialNB().fit(counts, y).predict_joint_log_proba(counts) - prior
    wanted = np.exp(joint - joint.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(posteriors(model, tmp_path / "t.csv"), wanted, **NEAR)


# -- text ---------------------------------------------------------------------------------------
_PIECES = """the cat sat on Öl straße ΣΊΣΥΦΟΣ 日本語 naïve x2 a I under_score it's e-mail ٣٤ Москва ça !! …
😀smile don’t THE Cat ﬁne İstanbul ²³"""
PIECES = _PIECES.split()


def documents(rng: np.random.Generator, count: int) -> tuple[list[str], list[str]]:
    y = rng.integers(0, 3, count)
    weights = rng.dirichlet(np.ones(len(PIECES)), 3)
    texts = [" ".join(rng.choice(PIECES, rng.integers(0, 30), p=weights[c])) for c in y]
    return texts, CLASSES[y].tolist()


@pytest.fixture
def corpus(rng: np.random.Generator, tmp_path: Path) -> tuple[Path, list[str], list[str]]:
    texts, labels = documents(rng, 400)
    path = tmp_path / "t.txt"
    lines = [f"{label}\t{text}" for label, text in zip(labels, texts, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, texts, labels


VECTORISERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"ngrams": [1, 3]}, {"ngram_range": (1, 3)}),
    ({"ngrams": 2}, {"ngram_range": (2, 2)}),
    ({"min_df": 0.02, "max_df": 0.5}, {"min_df": 0.02, "max_df": 0.5}),
    ({"min_df": 3, "max_df": 200}, {"min_df": 3, "max_df": 200}),
    ({"lower": False, "shortest": 1}, {"lowercase": False, "token_pattern": r"\b\w+\b"}),
    ({"tokens": "blank"}, {"token_pattern": r"\S+"}),
    ({"tokens": "characters", "ngrams": [1, 3]}, {"analyzer": "char", "ngram_range": (1, 3)}),
    ({"binary": True}, {"binary": True}),
]


@pytest.mark.parametrize(("ours", "theirs"), VECTORISERS)
def test_vocabulary_and_counts(corpus: Any, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    path, texts, labels = corpus
    if ours.get("tokens") == "characters":  # they keep single tabs and line ends, we none
        texts = [re.sub(r"\s+", " ", text) for text in texts]
    vectoriser = CountVectorizer(**theirs)
    n = vectoriser.fit_transform(texts)
    counts = trained(path, text=ours).evidence.counts  # type: ignore[attr-defined]
    words = counts.vocabulary.words()
    assert sorted(words) == sorted(vectoriser.get_feature_names_out())
    columns = [vectoriser.vocabulary_[word] for word in words]
    for c, name in enumerate(CLASSES):
        wanted = np.asarray(n[[label == name for label in labels]].sum(0)).ravel()[columns]
        np.testing.assert_array_equal(counts.counts[: len(words), c], wanted)


@pytest.mark.parametrize(
    ("ours", "theirs", "binary"),
    [
        ({}, MultinomialNB(), False),
        ({"alpha": 0.01}, MultinomialNB(alpha=0.01), False),
        ({"text": {"binary": True}}, MultinomialNB(), True),
        ({"model": "bernoulli"}, BernoulliNB(), True),
        (
            {"model": "bernoulli", "alpha": 0.1, "prior": "uniform"},
            BernoulliNB(alpha=0.1, fit_prior=False),
            True,
        ),
        ({"model": "complement"}, ComplementNB(), False),
        ({"model": "complement", "norm": True, "alpha": 0.2}, ComplementNB(norm=True, alpha=0.2), False),
    ],
)
def test_text_posteriors(
    corpus: Any, rng: np.random.Generator, tmp_path: Path, ours: Any, theirs: Any, binary: bool
) -> None:
    """New texts, some of them with words that training never saw, or with none at all."""
    path, texts, labels = corpus
    vectoriser = CountVectorizer(binary=binary)
    theirs.fit(vectoriser.fit_transform(texts), labels)
    fresh = [text + " never seen words" for text in documents(rng, 100)[0]] + ["12 !", "cat"]
    (tmp_path / "new.txt").write_text("\n".join(fresh) + "\n", encoding="utf-8")
    model = trained(path, **ours)
    compare(posteriors(model, tmp_path / "new.txt"), theirs, vectoriser.transform(fresh))


def test_stop_words_go_before_n_grams(corpus: Any, tmp_path: Path) -> None:
    path, texts, _ = corpus
    (tmp_path / "stop.txt").write_text("# said too often\nthe\nOn\n", encoding="utf-8")
    counts = trained(path, text={"ngrams": [1, 2], "stop_words": str(tmp_path / "stop.txt")}).evidence.counts  # type: ignore[attr-defined]
    vectoriser = CountVectorizer(ngram_range=(1, 2), stop_words=["the", "on"]).fit(texts)
    assert sorted(counts.vocabulary.words()) == sorted(vectoriser.get_feature_names_out())
