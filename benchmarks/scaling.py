"""How a training step would scale over ranks: constants measured on this machine, put into a model.

python -m benchmarks.scaling [--write docs/distributed.md] [--mpiexec "mpiexec ..."]

    T(R) = a + b rows/R + o + ceil(log2 R) l + S(R)
    in rank order:   S(R) = (R - 1 + ceil(log2 R)) l + 2 (R - 1)/R bytes/w + bytes g
    MPI_Allreduce:   S(R) = 2 ceil(log2 R) l         + 2 (R - 1)/R bytes/w + bytes g

a: seconds of a step that do not depend on its rows (the update of all parameters, Python); b: seconds a row;
o: a small sum's fixed cost; l: latency; w: bandwidth, bytes/s; g: seconds to add a byte.
a, b, o and g are measured here, l and w are those of a network and assumed. The terms of S are those of
Thakur, Rabenseifner & Gropp (2005), "Optimization of collective communication operations in MPICH".
"""

import argparse
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine, revision

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
BATCH = 8192
"""Rows of the global batch that is split ever finer."""
ROWS = 128
"""Rows a rank where the batch grows with the ranks."""


@dataclass(frozen=True)
class Network:
    """Latency of a message in seconds, bandwidth of a machine's link in bytes/s."""

    name: str
    latency: float
    bandwidth: float


NETWORKS = (Network("10 Gbit/s Ethernet", 30e-6, 1.1e9), Network("100 Gbit/s InfiniBand", 2e-6, 11e9))


@dataclass(frozen=True)
class Constants:
    """What is measured: a, b, o, g of the module's text, and the bytes of the gradient."""

    step: float
    row: float
    small: float
    add: float
    size: int

    def alone(self, rows: float) -> float:
        """Seconds of a step without exchange."""
        return self.step + self.row * rows


def sum_seconds(c: Constants, network: Network, ranks: int, *, in_order: bool) -> float:
    """S(R)."""
    if ranks == 1:
        return 0.0
    hops = math.ceil(math.log2(ranks))
    messages = ranks - 1 + hops if in_order else 2 * hops
    return messages * network.latency + 2 * (ranks - 1) / ranks * c.size / network.bandwidth + c.size * c.add


def step_seconds(c: Constants, network: Network, ranks: int, batch: float, *, in_order: bool) -> float:
    """T(R) for a global batch."""
    if ranks == 1:
        return c.alone(batch)
    small = c.small + math.ceil(math.log2(ranks)) * network.latency
    return c.alone(batch / ranks) + small + sum_seconds(c, network, ranks, in_order=in_order)


def fit_line(seconds: dict[int, float]) -> tuple[float, float]:
    """Intercept and slope with the least sum of squared relative errors."""
    n, t = np.array(list(seconds), float), np.array(list(seconds.values()))
    rows = np.stack([1 / t, n / t], axis=1)
    a, b = np.linalg.lstsq(rows, np.ones(len(n)), rcond=None)[0]
    return float(a), float(b)


def constants(report: dict[str, Any]) -> Constants:
    a, b = fit_line(report["alone"])
    size = 4 * report["parameters"]
    return Constants(a, b, report["in_order"][1], max(report["added"].values()) / size, size)


def measure(mpiexec: str) -> dict[str, Any]:
    """What scaling_ranks.py reports from two ranks, keys as numbers again."""
    command = [*shlex.split(mpiexec), "-n", "2", sys.executable, "-m", "benchmarks.scaling_ranks"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    report = json.loads(done.stdout)
    return {
        key: {int(n): t for n, t in value.items()} if isinstance(value, dict) else value
        for key, value in report.items()
    }


# -- tables -----------------------------------------------------------------------------------------
def page(report: dict[str, Any], load: float) -> str:
    """Everything between the marks of docs/distributed.md."""
    c = constants(report)
    head = f"Measured at revision {revision()} on {machine()}; load before the measurement: {load:.1f}."
    return "\n\n".join([head, measured(c), sums(report), both(c, report), strong(c), weak(c)])


def measured(c: Constants) -> str:
    rows = [
        ("a", "a step without its rows", f"{c.step * 1e3:.2f} ms"),
        ("b", "a row", f"{c.row * 1e6:.1f} µs"),
        ("o", "a small sum, 2 ranks", f"{c.small * 1e6:.1f} µs"),
        ("g", "adding", f"{1e-9 / c.add:.1f} GB/s"),
        ("bytes", "gradient (float32)", f"{c.size / 1e6:.2f} MB"),
    ]
    return table(("constant", "of", "measured"), rows)


def sums(report: dict[str, Any]) -> str:
    rows = [
        (f"{n:,}", f"{t * 1e6:,.0f} µs", f"{report['any_order'][n] * 1e6:,.0f} µs")
        for n, t in report["in_order"].items()
    ]
    return table(("float32 numbers, 2 ranks in shared memory", "in rank order", "MPI_Allreduce"), rows)


def both(c: Constants, report: dict[str, Any]) -> str:
    """The model against steps of two ranks, with the sum's time as measured in shared memory."""
    start, slope = fit_line({n: t for n, t in report["in_order"].items() if n >= 100_000})
    exchange = c.small + start + slope * c.size / 4
    rows = []
    for batch, t in report["together"].items():
        expected = c.alone(batch / 2) + exchange
        rows.append((f"{batch}", f"{t * 1e3:.2f} ms", f"{expected * 1e3:.2f} ms", f"{t / expected:.2f}"))
    return table(("global batch, 2 ranks", "measured step", "model", "ratio"), rows)


def strong(c: Constants) -> str:
    """One global batch over ever more ranks."""
    return over_networks(
        c,
        f"ranks, global batch {BATCH}",
        lambda network, ranks, in_order: (
            f"{c.alone(BATCH) / step_seconds(c, network, ranks, BATCH, in_order=in_order):.1f}×"
        ),
    )


def weak(c: Constants) -> str:
    """A batch that grows with the ranks: the share of the time that is not waiting."""
    return over_networks(
        c,
        f"ranks, {ROWS} rows each",
        lambda network, ranks, in_order: (
            f"{c.alone(ROWS) / step_seconds(c, network, ranks, ROWS * ranks, in_order=in_order):.0%}"
        ),
    )


def over_networks(c: Constants, first: str, cell: Any) -> str:
    head = [first]
    for network in NETWORKS:
        head += [f"{network.name}, rank order", f"{network.name}, MPI_Allreduce"]
    rows = [
        [f"{r:,}", *(cell(network, r, order) for network in NETWORKS for order in (True, False))]
        for r in RANKS
    ]
    return table(head, rows)


def table(head: Any, rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def put_between(text: str, inside: str) -> str:
    """`text` with `inside` between its marks. Raises ValueError where they are missing."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + inside + "\n" + END + rest.split(END)[1]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    beside = Path(sys.executable).with_name("mpiexec")
    default = str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"
    asked.add_argument("--mpiexec", default=default, help="launcher and its options")
    asked.add_argument("--write", type=Path, help="page whose marked part is replaced")
    options = asked.parse_args()
    load = os.getloadavg()[0]
    report = measure(options.mpiexec)
    print(json.dumps(report))
    inside = page(report, load)
    print(inside)
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        options.write.write_text(put_between(text, inside), encoding="utf-8")


if __name__ == "__main__":
    main()
