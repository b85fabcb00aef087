"""What a rule X => Y is worth, from three counts of n baskets: of X and Y together, of X, of Y.

P(X) stands for the support of X. Agrawal & Srikant (1994): support, confidence. Brin et al. (1997): lift
(there: interest), conviction. Piatetsky-Shapiro (1991): leverage. Zhang (2000): association in [-1, 1].
Jaccard and Kulczynski as in Wu, Chen & Han, "Re-examination of interestingness measures in pattern mining"
(2010).
"""

import numpy as np

MEASURES = {
    "support": "P(X and Y): share of the baskets that hold all items of the rule",
    "confidence": "P(Y | X): share of the baskets with X that hold Y too",
    "lift": "P(X and Y) / (P(X) P(Y)): 1 where X and Y are independent",
    "leverage": "P(X and Y) - P(X) P(Y): 0 where X and Y are independent",
    "conviction": "(1 - P(Y)) / (1 - confidence): inf where the rule has no exception",
    "zhang": "leverage / max(P(X and Y) (1 - P(X)), P(X) (P(Y) - P(X and Y))): -1 to 1, 0: independent",
    "jaccard": "P(X and Y) / P(X or Y): 1 where X and Y always come together",
    "kulczynski": "mean of P(Y | X) and P(X | Y)",
}
"""Name -> what it says."""


def measures(both: np.ndarray, body: np.ndarray, head: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Every measure of rules, float64, from int64 counts of n baskets."""
    both, body, head = (a.astype(np.float64) for a in (both, body, head))  # exact, and so are their products
    with np.errstate(divide="ignore", invalid="ignore"):
        conviction = np.where(both == body, np.inf, (n - head) * body / (n * (body - both)))
        bound = np.maximum(both * (n - body), body * (head - both))  # n^2 times that of the formula
        zhang = np.where(bound == 0, 0.0, (n * both - body * head) / bound)
    return {
        "support": both / n,
        "confidence": both / body,
        "lift": n * both / (body * head),
        "leverage": (n * both - body * head) / n**2,
        "conviction": conviction,
        "zhang": zhang,
        "jaccard": both / (body + head - both),
        "kulczynski": (both / body + both / head) / 2,
    }
