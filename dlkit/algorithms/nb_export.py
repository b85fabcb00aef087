"""What naive Bayes has counted, as tables and arrays."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.nb_evidence import TableEvidence
from dlkit.algorithms.nb_parts import Gaussian
from dlkit.algorithms.protocol import File

if TYPE_CHECKING:
    from dlkit.algorithms.nb_asked import AskedBayes


def exports(asked: "AskedBayes", options: Mapping[str, Any]) -> Iterator[File]:
    """csv: classes.csv, likelihoods.csv (log P of each feature by class; complement: its weights), for
    columns of numbers that are normal normals.csv; npz: all of it in bayes-nb.npz."""
    form = exported.chosen(options, "csv", "npz")
    names, log_p = asked.evidence.told()
    features = names(np.arange(len(log_p)))
    normal = _normal(asked)
    if form == "npz":
        arrays: dict[str, Any] = {
            "classes": list(asked.classes), "rows": asked.evidence.rows, "log_prior": asked.prior,
            "features": features, "log_p": log_p,
        }  # fmt: skip
        if normal:
            arrays |= {"numbers": normal[0], "mean": normal[1], "variance": normal[2]}
        yield File("bayes-nb.npz", exported.npz(arrays))
        return
    yield File("classes.csv", asked.classes_csv())
    if features:
        header = ["feature", *asked.classes]
        yield exported.matrix("likelihoods.csv", header, [[name] for name in features], log_p)
    if normal:
        columns, mean, variance = normal
        pairs = [[column, name] for column in columns for name in asked.classes]
        values = np.column_stack([mean.ravel(), variance.ravel()])
        yield exported.matrix("normals.csv", ["column", "class", "mean", "variance"], pairs, values)


def _normal(asked: "AskedBayes") -> tuple[list[str], np.ndarray, np.ndarray] | None:
    """Columns that are normal within a class, their means and variances (F, C); None where there are none."""
    if not isinstance(asked.evidence, TableEvidence):
        return None
    parts = [part for part in asked.evidence.counts.parts if isinstance(part, Gaussian)]
    if not parts:
        return None
    columns = [name for part in parts for name in part.names]
    return (
        columns,
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.variance for part in parts]),
    )
