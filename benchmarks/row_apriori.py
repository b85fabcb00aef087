"""Row apriori: frequent item sets of three FIMI files and a made-up shop, against PyFIM and mlxtend."""

import os
import tempfile
from pathlib import Path

from benchmarks import baskets_made
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Contender, Run, alternate, median_of, run, speed_ratio
from benchmarks.results import seconds_text, table

OURS, PYFIM, MLXTEND = "dlkit apriori", "PyFIM", "mlxtend"
FILES = (("retail", "fimi/retail.dat", 0.002), ("T10I4D100K", "fimi/T10I4D100K.dat", 0.005),
         ("mushroom", "fimi/mushroom.dat", 0.2))  # fmt: skip
SHOP = "an online shop, made up"
SHOP_SUPPORT = 0.005
COLUMNS = ("read", "mine", "order", "seconds")
METHODS = ("apriori", "fp-growth", "eclat")


def measure(options: Options) -> Section:
    """Seconds from the file to the sets in order; each contender is a process, its start not counted."""
    rows, notes, used = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        sources = _sources(Path(folder))
        for name, path, support in sources:
            ours, pyfim = _ours(options, path, support), _peer(options, PYFIM, path, support, 3)
            rounds = alternate([ours, pyfim], options.rounds, heard=heard)
            slow = run(_peer(options, MLXTEND, path, support, 1))
            heard(slow)
            used += [*rounds[-1], slow]
            rows += [_row(name, contender, rounds) for contender in (OURS, PYFIM)]
            rows.append([name, MLXTEND, *(seconds_text(slow.figure(key)) for key in COLUMNS)])
            times = slow.figure("seconds") / median_of(rounds, OURS, "seconds")
            notes.append(f"- {name}, {rounds[-1][0].figure('sets'):,.0f} sets: "
                         f"{_without_ordering(rounds, slow)}; with the ordering, which is ours alone, "
                         f"{speed_ratio(rounds, OURS, PYFIM, 'seconds')} and {times:.0f}× (mlxtend: 1 run); "
                         f"{_by_method(options, path, support)}")  # fmt: skip
    head = ["file", "", "reading", "mining", "ordering", "all (median)"]
    supports = ", ".join(f"{name} {support:g}" for name, _, support in sources)
    text = (
        f"Least support: {supports}; {options.threads} threads (the peers use one). Reading is from the "
        "file to baskets, Python's split for the peers; ordering puts the sets into the order of "
        "itemsets.csv and marks closed and maximal ones, which the peers do not do; start-up and the "
        "loading of compiled loops are not in. PyFIM by its faster method of eclat and fpgrowth; mlxtend by "
        "fpgrowth over a sparse table."
    )
    return Section("apriori", "\n\n".join([text, table(head, rows), "\n".join(notes)]), versions(*used))


def _sources(folder: Path) -> list[tuple[str, str, float]]:
    """Name, path and support of each file that there is."""
    root, shop = os.environ.get("DLKIT_DATA"), folder / "shop.csv"
    baskets_made.write(shop)
    real = [(name, str(Path(root) / file), support) for name, file, support in FILES] if root else []
    return [*real, (SHOP, str(shop), SHOP_SUPPORT)]


def _ours(options: Options, path: str, support: float, method: str = "auto") -> Contender:
    given = ["--algorithm", method, "--threads", str(options.threads)]
    return options.ours(OURS, "benchmarks.apriori_dlkit", path, str(support), *given)


def _peer(options: Options, name: str, path: str, support: float, times: int) -> Contender:
    given = [name.lower(), path, str(support), "--times", str(times)]
    return options.peer(name, "benchmarks.apriori_peers", *given)


def _row(file: str, contender: str, rounds: list[list[Run]]) -> list[str]:
    return [
        file,
        contender,
        *(seconds_text(median_of(rounds, contender, k)) for k in COLUMNS),
    ]


def _without_ordering(rounds: list[list[Run]], slow: Run) -> str:
    """What the peers do, too: reading and mining."""
    ours, pyfim = (sum(median_of(rounds, name, key) for key in COLUMNS[:2]) for name in (OURS, PYFIM))
    peer = sum(slow.figure(key) for key in COLUMNS[:2])
    return f"reading and mining {pyfim / ours:.1f}× against PyFIM and {peer / ours:.0f}× against mlxtend"


def _by_method(options: Options, path: str, support: float) -> str:
    """Our three methods' mining, one process each."""
    times = [(method, run(_ours(options, path, support, method)).figure("mine")) for method in METHODS]
    return "mining by " + ", ".join(f"{method} {seconds_text(seconds)}" for method, seconds in times)
