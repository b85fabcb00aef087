"""Rules as files: CSV in a stable order, pictures, and the tables of the levels."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from dlkit.algorithms.itemsets import ItemSets
from dlkit.algorithms.levelwise import SHOWN, Level
from dlkit.algorithms.rule_measures import MEASURES
from dlkit.algorithms.rules import Rules
from dlkit.algorithms.set_lines import one_cell


def rules_csv(sets: ItemSets, rules: Rules, n: int) -> str:
    """A line a rule: body, head, every measure, count."""
    cells = {
        int(s): one_cell(sets.items(int(s))) for s in np.unique(np.concatenate([rules.body, rules.head]))
    }
    measured = rules.measures(sets, n)
    columns = [
        [cells[s] for s in rules.body.tolist()],
        [cells[s] for s in rules.head.tolist()],
        *(measured[name].tolist() for name in MEASURES),
        sets.counts[rules.both].tolist(),
    ]
    return _csv(["body", "head", *MEASURES, "count"], columns)


def _csv(header: list[str], columns: list[list[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def pictures(
    sets: ItemSets, rules: Rules, n: int, rank: str, log: Callable[[str], None]
) -> Iterator[tuple[str, bytes]]:
    """rules.png, network.png, where matplotlib is there."""
    from dlkit.pictures import figures
    from dlkit.pictures.rules import NETWORK_RULES, network, scatter

    if not figures.available():
        log('rules.png and network.png are not drawn: pip install "dlkit[report]"')
        return
    measured = rules.measures(sets, n)
    best = range(min(len(rules), NETWORK_RULES))
    named = [
        (sets.items(int(rules.body[k])), sets.items(int(rules.head[k])), float(measured["lift"][k]))
        for k in best
    ]
    note = figures.missing_font("".join(text for body, head, _ in named for text in (*body, *head)))
    if note:
        log(note)
    yield "rules.png", scatter(measured["support"], measured["confidence"], measured["lift"])
    yield "network.png", network(named, rank, len(rules))


# -- the levels, as in the article -----------------------------------------------------------------------
def level_table(level: Level, labels: Sequence[str], texts: Sequence[str], counts: np.ndarray) -> list[str]:
    """What -v tells of a level. labels: of frequent items; texts, counts: of all items, for C_1."""
    k, below = level.k, "  (not frequent)"
    pruned: list[list[str]] = []
    if k == 1:
        head = f"C_1 {len(texts):,} items, L_1 {level.frequent:,}"
        rows = [([text], int(count)) for text, count in zip(texts, counts, strict=True)]
        frequent = set(labels)
        keep = [text in frequent for text in texts]
    else:
        left_out = level.joined - level.counted
        without = f", {left_out:,} of them not counted" if left_out else ""
        head = f"C_{k} {level.joined:,} candidates{without}, L_{k} {level.frequent:,}"
        if level.joined > SHOWN:
            return [head]
        rows = [([labels[i] for i in c[:-1]], int(c[-1])) for part in level.candidates for c in part]
        keep = [n >= level.min_count for _, n in rows]
        pruned = [[labels[i] for i in c] for part in level.pruned for c in part]
    if len(rows) > SHOWN:
        return [head]
    shown = [
        (_set_text(items), f"{n}{'' if good else below}") for (items, n), good in zip(rows, keep, strict=True)
    ]
    shown += [(_set_text(items), f"-  (a subset is not in L_{k - 1})") for items in pruned]
    width = max((len(text) for text, _ in shown), default=0)
    return [head, *(f"  {text:<{width}}  {rest}" for text, rest in sorted(shown))]


def _set_text(items: Sequence[str]) -> str:
    numbers = all(item.isdecimal() for item in items)
    return "{" + " ".join(sorted(items, key=lambda item: (int(item) if numbers else 0, item))) + "}"
