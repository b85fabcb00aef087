"""Writes itemset_golden.json: item sets by PyFIM (Borgelt, C) and rules by mlxtend, real and made-up baskets.

    DLKIT_DATA=... python tests/oracles/make_itemset_golden.py     (needs pyfim, mlxtend, pandas)

Of the real data sets, which are not part of dlkit, only numbers and digests are kept.
"""

import hashlib
import json
import math
import os
import sys
from pathlib import Path

import fim
import numpy as np
import pandas as pd
from mlxtend.frequent_patterns import association_rules, fpgrowth
from mlxtend.preprocessing import TransactionEncoder

OUT = Path(__file__).parent / "itemset_golden.json"
REAL = {
    "retail": ("fimi/retail.dat", 0.002, 0.002, 0.5),
    "T10I4D100K": ("fimi/T10I4D100K.dat", 0.005, 0.005, 0.5),
    "mushroom": ("fimi/mushroom.dat", 0.2, 0.4, 0.8),
    "groceries": ("groceries/groceries.csv", 0.001, 0.001, 0.5),
}
"""File, least support of item sets and of rules (mlxtend needs hours for mushroom's at .2), confidence."""
MEASURES = {"support": "support", "confidence": "confidence", "lift": "lift", "leverage": "leverage",
            "conviction": "conviction", "zhang": "zhangs_metric"}  # fmt: skip


def baskets_of(path: Path) -> list[list[str]]:
    """A basket a line: items between commas, or between blanks where there are none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comma = any("," in line for line in lines)
    rows = [[cell.strip() for cell in line.split("," if comma else None)] for line in lines]
    return [sorted({cell for cell in row if cell}) for row in rows if any(row)]


def made_up() -> list[list[str]]:
    """300 baskets of 12 items that come in bundles."""
    rng = np.random.default_rng(8)
    names = ["牛乳", "パン", "butter", "紙おむつ", "ビール", *"abcdefg"]
    bundles = [[0, 1, 2], [3, 4], [5, 6, 7, 8], [1, 9, 10], [11]]
    rows = []
    for _ in range(300):
        held = {i for b in rng.choice(5, 2) for i in bundles[b] if rng.random() < 0.8}
        rows.append(sorted(names[i] for i in held | {int(rng.integers(12))}))
    return rows


def least(support: float, n: int) -> int:
    return math.ceil(support * n - 1e-9)


def item_sets(baskets: list[list[str]], count: int, target: str = "s") -> dict[str, object]:
    """Their number by length, and a digest of them all with their counts.

    PyFIM 6.28 does not report the set of one item that is in every basket (item 85 of mushroom), though it
    reports that item's larger sets; here it is put in.
    """
    found = fim.eclat(baskets, target=target, supp=-count, report="a")
    everywhere = set.intersection(*map(set, baskets))
    reported = {items[0] for items, _ in found if len(items) == 1}
    if target != "m" and len(everywhere) == 1 and not everywhere <= reported:
        found.append((tuple(everywhere), len(baskets)))
    lengths: dict[str, int] = {}
    for items, _ in found:
        lengths[str(len(items))] = lengths.get(str(len(items)), 0) + 1
    lines = sorted("\t".join(sorted(items)) + f"\t{number}\n" for items, number in found)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return {"lengths": dict(sorted(lengths.items())), "sha256": digest}


def rules_of(baskets: list[list[str]], support: float, confidence: float) -> pd.DataFrame:
    encoder = TransactionEncoder()
    table = pd.DataFrame(encoder.fit_transform(baskets), columns=encoder.columns_)
    frequent = fpgrowth(table, min_support=support, use_colnames=True)
    return association_rules(frequent, metric="confidence", min_threshold=confidence)


def main() -> int:
    data = Path(os.environ["DLKIT_DATA"])
    golden: dict[str, object] = {"real": {}}
    for name, (path, support, rule_support, confidence) in REAL.items():
        baskets = baskets_of(data / path)
        count = least(support, len(baskets))
        entry = {"path": path, "min_support": support, "baskets": len(baskets),
                 "rule_support": rule_support, "min_confidence": confidence}  # fmt: skip
        entry["all"] = item_sets(baskets, count)
        entry["closed"] = item_sets(baskets, count, "c")
        entry["maximal"] = item_sets(baskets, count, "m")
        rules = rules_of(baskets, rule_support, confidence)
        entry["rules"] = len(rules)
        entry["sums"] = {
            ours: float(rules[theirs].replace(np.inf, 0).sum()) for ours, theirs in MEASURES.items()
        }
        golden["real"][name] = entry  # type: ignore[index]
        print(name, entry["all"]["lengths"], len(rules), flush=True)  # type: ignore[index]
    baskets = made_up()
    rules = rules_of(baskets, 0.05, 0.4)
    rows = [
        [sorted(r.antecedents), sorted(r.consequents), *(float(getattr(r, m)) for m in MEASURES.values())]
        for r in rules.itertuples()
    ]
    rows = [[None if isinstance(v, float) and math.isinf(v) else v for v in row] for row in rows]
    golden["made_up"] = {
        "baskets": baskets, "min_support": 0.05, "min_confidence": 0.4, "measures": list(MEASURES),
        "all": item_sets(baskets, least(0.05, 300)), "closed": item_sets(baskets, least(0.05, 300), "c"),
        "maximal": item_sets(baskets, least(0.05, 300), "m"), "rules": sorted(rows, key=lambda r: (r[0],
        r[1])),
    }  # fmt: skip
    OUT.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
