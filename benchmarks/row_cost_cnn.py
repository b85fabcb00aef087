"""Row cost-cnn: LeNet's step time over batch, filters and image size, as a picture and as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cnn import FIELDS, Sizes, arguments
from benchmarks.options import PICTURES, Options, Section, heard, sgemm, versions
from benchmarks.pairs import Run, alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

OURS, PEER = "dlkit", "PyTorch"
SWEEPS = {
    "batch": (1, 4, 16, 64, 256, 1024),
    "filters": (4, 8, 20, 40, 80, 160),
    "side": (16, 28, 40, 56, 80, 112),
}
AXES = {"batch": "images in a batch", "filters": "filters of the first convolution", "side": "pixels a side"}
COLUMNS = ["varied", *FIELDS, "flop", "dlkit_seconds", "pytorch_seconds", "ratio", "sgemm_seconds"]


def measure(options: Options) -> Section:
    """Each point is a few rounds of dlkit and PyTorch in alternation."""
    peak = float(sgemm(options)["peak"])
    points, last = [], []
    for varied, values in SWEEPS.items():
        for value in values:
            sizes = replace(Sizes(), **{varied: value})
            rounds = _point(options, sizes)
            last = rounds[-1]
            points.append(point_row(varied, sizes, rounds, peak))
    PICTURES.mkdir(exist_ok=True)
    write_csv(PICTURES / "train-cnn-cost.csv", points)
    draw(PICTURES / "train-cnn-cost.png", points)
    header = ["", "work, MFLOP", "dlkit", "PyTorch", "ratio", "sgemm's limit"]
    usual = Sizes()
    body = "\n\n".join(
        [
            f"LeNet's step, Adam, {options.threads} threads; what does not vary is batch {usual.batch}, "
            f"{usual.filters} and {usual.second} filters, {usual.side}×{usual.side}. The limit: the step's "
            f"matrix products at sgemm's best, {peak:.0f} GFLOP/s.",
            "![step time against batch, filters and image size](pictures/train-cnn-cost.png)",
            table(header, [_table_row(point) for point in points]),
            "Figures: [train-cnn-cost.csv](pictures/train-cnn-cost.csv)",
        ]
    )
    return Section("train-cnn, cost against work", body, versions(*last))


def _point(options: Options, sizes: Sizes) -> list[list[Run]]:
    given = arguments(sizes, options.threads, "--quick")
    contenders = [
        options.ours(OURS, "benchmarks.train_cnn_dlkit", *given),
        options.peer(PEER, "benchmarks.train_cnn_torch", *given),
    ]
    return alternate(contenders, min(options.rounds, 3), warm_up=0, heard=heard)


def point_row(varied: str, sizes: Sizes, rounds: Sequence[Sequence[Run]], peak: float) -> dict[str, object]:
    """One line of the CSV; times in seconds a step, peak in GFLOP/s."""
    return {
        "varied": varied,
        **{name: getattr(sizes, name) for name in FIELDS},
        "flop": sizes.flop,
        "dlkit_seconds": median_of(rounds, OURS, "seconds"),
        "pytorch_seconds": median_of(rounds, PEER, "seconds"),
        "ratio": speed_ratio(rounds, OURS, PEER, "seconds").median,
        "sgemm_seconds": sizes.flop / peak / 1e9,
    }


def write_csv(path: Path, points: Sequence[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for point in points:
            writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in point.items()})


def _table_row(point: dict[str, object]) -> list[str]:
    return [
        f"{point['varied']} {point[str(point['varied'])]}",
        f"{float(str(point['flop'])) / 1e6:,.1f}",
        *(seconds_text(float(str(point[f"{name}_seconds"]))) for name in ("dlkit", "pytorch")),
        f"{float(str(point['ratio'])):.2f}×",
        seconds_text(float(str(point["sgemm_seconds"]))),
    ]


def draw(path: Path, points: Sequence[dict[str, object]]) -> None:
    """Three panels, seconds a step over batch, filters and image size, all axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import ScalarFormatter

    lines = {"dlkit_seconds": "dlkit", "pytorch_seconds": "PyTorch", "sgemm_seconds": "sgemm's limit"}
    styles = {"dlkit_seconds": "C0o-", "pytorch_seconds": "C1s-", "sgemm_seconds": "k:"}
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), sharey=True)
    for axis, (varied, label) in zip(axes, AXES.items(), strict=True):
        chosen = [point for point in points if point["varied"] == varied]
        x = [float(str(point[varied])) for point in chosen]
        for key, name in lines.items():
            y = [1e3 * float(str(point[key])) for point in chosen]
            axis.plot(x, y, styles[key], label=name, markersize=4)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(x)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("milliseconds a step")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
