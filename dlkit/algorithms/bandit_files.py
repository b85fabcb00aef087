"""What a bandit leaves: regret.csv, its picture with a band over the runs, logs of decisions."""

import numpy as np

from dlkit.algorithms.bandit_run import Steps
from dlkit.pictures import bands, figures
from dlkit.readers.decisions import ArmTable, ClassRows, Log
from dlkit.training.metrics import text_of, to_csv


def regret_csv(ends: np.ndarray, curve: np.ndarray, what: str) -> str:
    """step, mean and standard deviation over runs, then every run. curve: (runs, epochs)."""
    header = ["step", what, f"{what}_sd", *(f"run_{r + 1}" for r in range(len(curve)))]
    sd = curve.std(0, ddof=1) if len(curve) > 1 else np.full(curve.shape[1], np.nan)
    columns = zip(ends.tolist(), curve.mean(0).tolist(), sd.tolist(), curve.T.tolist(), strict=True)
    return to_csv(header, ([str(t), *map(text_of, (mean, s, *each))] for t, mean, s, each in columns))


def regret_png(ends: np.ndarray, curve: np.ndarray, what: str, policy: str) -> bytes | None:
    """The mean with a band of one standard deviation, and each run; None where there is no matplotlib."""
    if not figures.available() or not curve.size:
        return None
    titles = {"regret": "regret so far (reward)", "value": "value of a decision (reward)"}
    return bands.draw(ends, {policy: curve}, axes=("decisions", titles[what]))


def log_csv(steps: Steps | None, arms: list[str], what: ArmTable | ClassRows | Log) -> str:
    """Context (as in the file), action, probability, reward: what `dlkit bandit` and `evaluate` read."""
    assert steps is not None
    header = what.header if isinstance(what, ClassRows) else []
    cells = what.cells if isinstance(what, ClassRows) else []
    rows = zip(steps.rows, steps.actions, steps.probabilities, steps.rewards, strict=True)
    return to_csv(
        [*header, "action", "probability", "reward"],
        ([*(column[x] for column in cells), arms[a], repr(p), repr(r)] for x, a, p, r in rows),
    )
