"""How good a ranked list is: precision, recall, NDCG and mean average precision at k, and coverage.

The list of a user holds all items that he has not rated in training, best prediction first (equal ones: the
item
seen first in the data). What he likes of them are his held-out items with a rating of `liked` or more.
Definitions as in Herlocker et al. 2004 and Järvelin & Kekäläinen 2002, gains 0 or 1:

    P@k = hits / k,   R@k = hits / liked,   DCG@k = sum_{hit at rank r} 1 / log2(r + 1),   NDCG = DCG / best
    DCG
    AP@k = sum_{hit at rank r <= k} (hits up to r) / r / min(k, liked)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field

from dlkit.recipe.schema import Spec


class RankingSpec(Spec):
    """Figures of ranked lists."""

    k: int = Field(10, ge=1, description="Length of the lists.", json_schema_extra={"flag": "--ranking-k"})
    liked: float | None = Field(
        None,
        description="Rating from which a user likes an item; null: the mean of the training ratings "
        "(als: every item that he has to do with).",
    )
    users: int = Field(
        2000, ge=1, description="Most users whose lists are judged; of more, so many are drawn."
    )


def best_k(scores: np.ndarray, k: int) -> np.ndarray:
    """(rows, k') indices of the k largest of each row, largest first; of equal ones the smaller index;
    entries
    of -inf do not count, so rows may end in -1."""
    k = min(k, scores.shape[1])
    nearly = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    border = np.take_along_axis(scores, nearly, 1).min(axis=1)
    found = np.full((len(scores), k), -1)
    for row, line in enumerate(scores):  # ties at the border: the first of them
        candidates = np.flatnonzero(line >= border[row])
        order = candidates[np.lexsort((candidates, -line[candidates]))][:k]
        order = order[line[order] > -np.inf]
        found[row, : len(order)] = order
    return found


def ranking_figures(
    users: np.ndarray,
    liked: Callable[[int], np.ndarray],
    lists: Callable[[np.ndarray], np.ndarray],
    k: int,
    items: int,
) -> dict[str, float]:
    """Means over users who like something. users: (n,); liked(user): items; lists(users): (m, k) items, -1
    padded."""
    hits_total = {"precision": 0.0, "recall": 0.0, "ndcg": 0.0, "map": 0.0}
    shown = np.zeros(items, bool)
    discount = 1 / np.log2(np.arange(2, k + 2))
    for start in range(0, len(users), 256):
        some = users[start : start + 256]
        for user, row in zip(some.tolist(), lists(some), strict=True):
            good = liked(user)
            offered = row[row >= 0]
            shown[offered] = True
            hit = np.isin(offered, good)
            ranks = np.flatnonzero(hit)
            best = discount[: min(k, len(good))].sum()
            hits_total["precision"] += len(ranks) / k
            hits_total["recall"] += len(ranks) / len(good)
            hits_total["ndcg"] += discount[ranks].sum() / best
            hits_total["map"] += (np.arange(1, len(ranks) + 1) / (ranks + 1)).sum() / min(k, len(good))
    count = max(len(users), 1)
    figures: dict[str, Any] = {f"{name}_at_k": float(value / count) for name, value in hits_total.items()}
    return figures | {"coverage": float(shown.mean())}
