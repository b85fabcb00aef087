"""map.png: words in a plane by the two directions in which their vectors differ most."""

from collections.abc import Callable, Iterator

import numpy as np

from dlkit.pictures import figures
from dlkit.pictures.labels import labelled


def word_map(shown: list[str], units: np.ndarray, log: Callable[[str], None]) -> Iterator[tuple[str, bytes]]:
    """The picture of some words, where matplotlib is installed and they are enough. units: (n, dim), their
    vectors of length 1."""
    if len(shown) < 2:
        return
    if not figures.available():
        log('no map.png: pictures need matplotlib (pip install "dlkit[report]")')
        return
    if missing := figures.missing_font("".join(shown)):
        log(missing)
    yield "map.png", labelled(plane(units), shown)


def plane(vectors: np.ndarray) -> np.ndarray:
    """(n, 2): the first two principal components; of each the sign that makes its largest entry positive."""
    x = vectors.astype(np.float64)
    x -= x.mean(axis=0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    found = np.zeros((len(x), 2))
    parts = (u * s)[:, :2]
    found[:, : parts.shape[1]] = parts
    largest = found[np.abs(found).argmax(axis=0), [0, 1]]
    return found * np.where(largest < 0, -1, 1)
