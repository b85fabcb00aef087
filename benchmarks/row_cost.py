"""Row cost: step time over batch and over width, as a picture in logarithmic scales and as CSV."""

import csv
from collections.abc import Sequence
from pathlib import Path

from benchmarks.mlp import Sizes, arguments
from benchmarks.options import PICTURES, Options, Section, heard, sgemm, versions
from benchmarks.pairs import Run, alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

OURS, PEER = "dlkit", "PyTorch"
BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
FIELDS = ["varied", "batch", "width", "flop", "dlkit_seconds", "pytorch_seconds", "ratio", "sgemm_seconds"]


def measure(options: Options) -> Section:
    """Each point is a few rounds of dlkit and PyTorch in alternation."""
    peak = float(sgemm(options)["peak"])
    sweeps = {
        "batch": [Sizes(batch=batch) for batch in BATCHES],
        "width": [Sizes(width=width) for width in WIDTHS],
    }
    points, last = [], []
    for varied, sweep in sweeps.items():
        for sizes in sweep:
            rounds = _point(options, sizes)
            last = rounds[-1]
            points.append(point_row(varied, sizes, rounds, peak))
    PICTURES.mkdir(exist_ok=True)
    write_csv(PICTURES / "train-mlp-cost.csv", points)
    draw(PICTURES / "train-mlp-cost.png", points)
    header = ["", "work, MFLOP", "dlkit", "PyTorch", "ratio", "sgemm's limit"]
    body = "\n\n".join(
        [
            f"784-width-width-10, Adam, {options.threads} threads; batch varies at width {Sizes.width}, "
            f"width at batch {Sizes.batch}. The limit: the step's matrix products at sgemm's best, "
            f"{peak:.0f} GFLOP/s.",
            "![step time against batch and width](pictures/train-mlp-cost.png)",
            table(header, [_table_row(point) for point in points]),
            "Figures: [train-mlp-cost.csv](pictures/train-mlp-cost.csv)",
        ]
    )
    return Section("train-mlp, cost against work", body, versions(*last))


def _point(options: Options, sizes: Sizes) -> list[list[Run]]:
    given = arguments(sizes, options.threads)
    contenders = [
        options.ours(OURS, "benchmarks.train_mlp_dlkit", *given),
        options.peer(PEER, "benchmarks.train_mlp_torch", *given),
    ]
    return alternate(contenders, min(options.rounds, 3), warm_up=0, heard=heard)


def point_row(varied: str, sizes: Sizes, rounds: Sequence[Sequence[Run]], peak: float) -> dict[str, object]:
    """One line of the CSV; times in seconds a step, peak in GFLOP/s."""
    return {
        "varied": varied,
        "batch": sizes.batch,
        "width": sizes.width,
        "flop": sizes.flop,
        "dlkit_seconds": median_of(rounds, OURS, "seconds"),
        "pytorch_seconds": median_of(rounds, PEER, "seconds"),
        "ratio": speed_ratio(rounds, OURS, PEER, "seconds").median,
        "sgemm_seconds": sizes.flop / peak / 1e9,
    }


def write_csv(path: Path, points: Sequence[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
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
    """Two panels, seconds a step over batch and over width, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    styles = {"pytorch_seconds": ("PyTorch", "s-", "C1"), "dlkit_seconds": ("dlkit", "o-", "C0")}
    styles["sgemm_seconds"] = ("matrix products at sgemm's peak", ":", "0.4")
    for panel, varied in zip(panels, ("batch", "width"), strict=True):
        chosen = [point for point in points if point["varied"] == varied]
        for key, (label, style, colour) in styles.items():
            panel.loglog(
                [point[varied] for point in chosen],
                [point[key] for point in chosen],
                style,
                color=colour,
                label=label,
            )
        ticks = [int(str(point[varied])) for point in chosen]
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        fixed = f"width {Sizes.width}" if varied == "batch" else f"batch {Sizes.batch}"
        panel.set(xlabel=f"{varied} ({fixed})")
    panels[0].set(ylabel="seconds a training step")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
