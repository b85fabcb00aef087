"""What a classifier gets wrong: labels against answers, what is confused most often, its surest mistakes."""

import numpy as np


class Mistakes:
    """Of rows that were answered with probabilities p (n, C) and have the labels y (n,), both on the host."""

    def __init__(self, p: np.ndarray, y: np.ndarray) -> None:
        self.answer = p.argmax(1)
        """(n,) int64."""
        classes = p.shape[1]
        self.matrix = np.zeros((classes, classes), np.int64)
        """(C, C): rows of each label, by what they were answered with."""
        np.add.at(self.matrix, (y, self.answer), 1)
        wrong = np.flatnonzero(self.answer != y)
        self.wrong = wrong[np.argsort(-p[wrong, self.answer[wrong]], kind="stable")]
        """Rows that were answered wrongly, the surest first."""

    def pairs(self, most: int) -> list[tuple[int, int, int]]:
        """(label, answer, rows) of what is confused most often."""
        off = self.matrix - np.diag(np.diag(self.matrix))
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        return [(*divmod(int(k), len(off)), int(off.flat[k])) for k in order if off.flat[k]]
