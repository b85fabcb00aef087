"""A step's time over sizes that vary one at a time: as CSV, as a table, as a logarithmic picture."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.options import PICTURES, Options, Section, heard, sgemm, versions
from benchmarks.pairs import Contender, Run, alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

OURS, PEER = "dlkit", "PyTorch"
MEASURED = ("flop", "dlkit_seconds", "pytorch_seconds", "ratio", "sgemm_seconds")
Point = Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What is swept. Sizes have the fields and `flop`, the operations of a step's matrix products."""

    name: str
    """Of the files in pictures/."""
    fields: Sequence[str]
    """Columns of the CSV that say how large."""
    axes: Mapping[str, str]
    """Field that varies -> label of its panel, in their order."""
    sizes: Mapping[str, Sequence[Any]]
    """Field that varies -> the sizes."""
    contenders: Callable[[Options, Any], Sequence[Contender]]
    """OURS and PEER at one size."""


def section(sweep: Sweep, options: Options, title: str, text: str) -> Section:
    """Each point is a few rounds of dlkit and PyTorch in alternation. text: what was done."""
    peak = float(sgemm(options)["peak"])
    points, last = [], []
    for varied, sweeping in sweep.sizes.items():
        for sizes in sweeping:
            contenders = sweep.contenders(options, sizes)
            rounds = alternate(contenders, min(options.rounds, 3), warm_up=0, heard=heard)
            last = rounds[-1]
            points.append(point_row(sweep, varied, sizes, rounds, peak))
    PICTURES.mkdir(exist_ok=True)
    write_csv(sweep, PICTURES / f"{sweep.name}.csv", points)
    draw(sweep, PICTURES / f"{sweep.name}.png", points)
    header = ["", "work, MFLOP", OURS, PEER, "ratio", "sgemm's limit"]
    limit = f"The limit: the step's matrix products at sgemm's best, {peak:.0f} GFLOP/s."
    body = "\n\n".join(
        [
            f"{text} {limit}",
            f"![step time against {', '.join(sweep.axes)}](pictures/{sweep.name}.png)",
            table(header, [_table_row(point) for point in points]),
            f"Figures: [{sweep.name}.csv](pictures/{sweep.name}.csv)",
        ]
    )
    return Section(title, body, versions(*last))


def point_row(
    sweep: Sweep, varied: str, sizes: Any, rounds: Sequence[Sequence[Run]], peak: float
) -> dict[str, Any]:
    """One line of the CSV; times in seconds a step, peak in GFLOP/s."""
    return {
        "varied": varied,
        **{name: getattr(sizes, name) for name in sweep.fields},
        "flop": sizes.flop,
        "dlkit_seconds": median_of(rounds, OURS, "seconds"),
        "pytorch_seconds": median_of(rounds, PEER, "seconds"),
        "ratio": speed_ratio(rounds, OURS, PEER, "seconds").median,
        "sgemm_seconds": sizes.flop / peak / 1e9,
    }


def write_csv(sweep: Sweep, path: Path, points: Sequence[Point]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["varied", *sweep.fields, *MEASURED], lineterminator="\n")
        writer.writeheader()
        for point in points:
            writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in point.items()})


def _table_row(point: Point) -> list[str]:
    return [
        f"{point['varied']} {point[point['varied']]}",
        f"{point['flop'] / 1e6:,.1f}",
        *(seconds_text(point[f"{name}_seconds"]) for name in ("dlkit", "pytorch")),
        f"{point['ratio']:.2f}×",
        seconds_text(point["sgemm_seconds"]),
    ]


def draw(sweep: Sweep, path: Path, points: Sequence[Point]) -> None:
    """A panel for each field that varies, seconds a step over it, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    count = len(sweep.axes)
    figure, panels = plt.subplots(
        1, count, figsize=(4.5 * count + 1, 4.2), sharey=True, layout="constrained", squeeze=False
    )
    styles = {"pytorch_seconds": (PEER, "s-", "C1"), "dlkit_seconds": (OURS, "o-", "C0")}
    styles["sgemm_seconds"] = ("matrix products at sgemm's peak", ":", "0.4")
    for panel, (varied, label) in zip(panels[0], sweep.axes.items(), strict=True):
        chosen = [point for point in points if point["varied"] == varied]
        ticks = [int(point[varied]) for point in chosen]
        for key, (name, style, colour) in styles.items():
            panel.loglog(ticks, [point[key] for point in chosen], style, color=colour, label=name)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.set(xlabel=label)
    panels[0][0].set(ylabel="seconds a training step")
    panels[0][0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
