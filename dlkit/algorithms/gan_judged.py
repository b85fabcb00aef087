"""Samples judged by a classifier of the same images: classes covered, and the Fréchet distance.

The classifier is a finished run of train-mlp or train-cnn. It names the class of each sample, and what its
last hidden layer says of an image is the space in which sets of images are compared. The distance between
the Gaussians with their means and covariances (Fréchet 1957; Dowson & Landau 1982; for GANs Heusel et al.
2017, eq. 6),

    d^2 = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)),

depends on the classifier and on the number of images: it means something beside another one of the same two,
so that of real images against other real images stands beside it.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.asked import AskedNetwork
from dlkit.algorithms.gan_collapse import divergence, hits, shares_of
from dlkit.autograd import Tape
from dlkit.errors import UsageError
from dlkit.readers.dataset import Dataset


class Judged(NamedTuple):
    """What a classifier makes of a set of images: class codes (n,) and features (n, k) float64."""

    codes: np.ndarray
    features: np.ndarray


def check_classifier(classifier: Any, width: int) -> None:
    """Raises UsageError unless it tells classes of rows of `width` numbers."""
    schema = getattr(classifier, "schema", None)
    if not isinstance(classifier, AskedNetwork) or schema is None or schema.task != "classification":
        raise UsageError(
            f"a run of {classifier.command} tells no classes",
            where="--classifier",
            hint="name a classifier by train-mlp or train-cnn",
        )
    found = math.prod(schema.row_shape)
    if found != width:
        text = f"this classifier takes rows of {found} numbers, the samples have {width}"
        raise UsageError(text, where="--classifier")


def judged(classifier: Any, raw: np.ndarray) -> Judged:
    """raw: (n, width) in the units of the files that the classifier learnt from."""
    x = classifier.preprocess.apply(raw, classifier.context.backend.dtype)
    rows = classifier._rows(Dataset(x, None, "samples"))
    *hidden, output = classifier.model.layers.values()
    to_host = classifier.context.backend.to_host

    def forward(tape: Tape, index: Any) -> tuple[np.ndarray, np.ndarray]:
        h = classifier._input(tape, rows, index)
        for layer in hidden:
            h = layer(tape, h)
        scores = np.array(to_host(output(tape, h).data))
        return scores.argmax(1), np.array(to_host(h.data), np.float64).reshape(len(scores), -1)

    parts = classifier._over_chunks(len(rows), forward)
    return Judged(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """d^2 of the Gaussians fitted to features a (n, k) and b (m, k); covariances have the divisor n - 1."""
    return gaussian_distance(a.mean(0), covariance(a), b.mean(0), covariance(b))


def covariance(a: np.ndarray) -> np.ndarray:
    """(k, k) of rows (n, k)."""
    centred = a - a.mean(0)
    return centred.T @ centred / max(len(a) - 1, 1)


def gaussian_distance(m1: np.ndarray, c1: np.ndarray, m2: np.ndarray, c2: np.ndarray) -> float:
    """d^2 between N(m1, c1) and N(m2, c2): the squared 2-Wasserstein distance.

    tr (C1 C2)^(1/2) is the sum of the roots of the eigenvalues of R C2 R with R = C1^(1/2), which is
    symmetric.
    """
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ c2 @ root)
    overlap = np.sqrt(np.maximum(inner, 0)).sum()
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * overlap)


def figures(samples: Judged, real: Judged, other: Judged, classes: list[str]) -> dict[str, float]:
    """The figures of `evaluate --classifier`; other: real images that are not among `real`.

    Fréchet distances take equally many images of each, for the distance falls with their number.
    """
    k, m = len(classes), min(len(samples.codes), len(other.codes))
    made, expected = shares_of(samples.codes, k), shares_of(real.codes, k)
    there, least = expected > 0, 0.5 / len(real.codes)
    return {
        "classes": hits(made[there], expected[there]),
        "real_classes": int(there.sum()),
        "class_kl": divergence(made, expected, least),
        "real_class_kl": divergence(shares_of(other.codes, k), expected, least),
        "frechet": frechet_distance(samples.features[:m], real.features),
        "real_frechet": frechet_distance(other.features[:m], real.features),
        **{f"share_{name}": float(share) for name, share in zip(classes, made, strict=True)},
    }
