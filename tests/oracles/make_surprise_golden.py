"""Golden numbers of Surprise's SVD, SVD++ and NMF on a tiny data set (scikit-surprise 1.1.4 or newer).

    cd tests/oracles; python make_surprise_golden.py > surprise_golden.json

Surprise goes through the ratings user by user, without shuffling; its first factors come from NumPy's
RandomState(seed), which the test draws again. So both sides begin with the same numbers, see the ratings in
the same order, and end with the same factors.
"""

import json
import sys

import numpy as np
import pandas
import surprise

SEED = 7


def main() -> None:
    """Fit the three models and print everything as JSON."""
    rng = np.random.default_rng(3)
    cells = rng.permutation(12 * 9)[:60]
    rows = [(f"u{c // 9}", f"i{c % 9}", float(rng.integers(1, 6))) for c in cells.tolist()]
    frame = pandas.DataFrame(rows, columns=["user", "item", "rating"])
    data = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5)))
    train = data.build_full_trainset()
    golden = {
        "ratings": [[int(u), int(i), float(r)] for u, i, r in train.all_ratings()],
        "users": train.n_users,
        "items": train.n_items,
        "mean": float(train.global_mean),
        "seed": SEED,
    }
    svd = surprise.SVD(n_factors=4, n_epochs=5, lr_all=0.02, reg_all=0.05, random_state=SEED).fit(train)
    svdpp = surprise.SVDpp(n_factors=4, n_epochs=5, lr_all=0.02, reg_all=0.05, random_state=SEED).fit(train)
    nmf = surprise.NMF(n_factors=4, n_epochs=5, reg_pu=0.06, reg_qi=0.06, random_state=SEED).fit(train)
    for name, model, arrays in (
        ("svd", svd, ("pu", "qi", "bu", "bi")),
        ("svd++", svdpp, ("pu", "qi", "yj", "bu", "bi")),
        ("nmf", nmf, ("pu", "qi")),
    ):
        golden[name] = {array: np.asarray(getattr(model, array)).tolist() for array in arrays}
    json.dump(golden, sys.stdout)


if __name__ == "__main__":
    main()
