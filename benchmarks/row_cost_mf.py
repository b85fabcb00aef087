"""Row cost-mf: what matrix factorisation costs from 1e5 to 2e7 ratings, as CSV and in logarithmic scales."""

import csv
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import ratings_made
from benchmarks.options import PICTURES, Options, Section, heard, versions
from benchmarks.pairs import Contender, run
from benchmarks.results import bytes_text, seconds_text, table

NAME = "mf-cost"
RATINGS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 20_000_000)
FACTORS, EPOCHS = 64, 3
COLUMNS = ("ratings", "users", "items", "read", "build", "epoch", "base_bytes", "peak_bytes", "model_bytes",
           "rating_bytes")  # fmt: skip
Point = Mapping[str, float]


def measure(options: Options) -> Section:
    """Each number of ratings in a process of its own: reading, ordering, an epoch, peak memory."""
    points, done = [], []
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.csv"
        ratings_made.write(few, 1000, 50, 50)
        least = float(run(_command(options, few)).peak_bytes)
        for ratings in RATINGS:
            users, items = max(ratings // 150, 10), max(ratings // 750, 10)
            path = Path(folder) / "ratings.csv"
            ratings_made.write(path, ratings, users, items)
            given = [str(path), str(FACTORS), str(options.threads)]
            done.append(run(options.ours(f"{ratings:,}", "benchmarks.mf_cost", *given)))
            heard(done[-1])
            keys = ("read", "build", "epoch", "base_bytes", "model_bytes")
            figures = {key: done[-1].figure(key) for key in keys}
            peak = float(done[-1].peak_bytes)
            each = (peak - figures["base_bytes"] - figures["model_bytes"]) / ratings
            points.append({"ratings": ratings, "users": users, "items": items, **figures, "peak_bytes": peak,
                           "rating_bytes": each})  # fmt: skip
        whole = run(_command(options, path))
        heard(whole)
    PICTURES.mkdir(exist_ok=True)
    write_csv(PICTURES / f"{NAME}.csv", points)
    draw(PICTURES / f"{NAME}.png", points)
    head = ["ratings", "reading", "ordering", "an epoch", "ns a rating", "peak memory", "bytes a rating"]
    last = points[-1]
    base, peak = bytes_text(last["base_bytes"]), bytes_text(last["peak_bytes"])
    text = (
        f"SVD with {FACTORS} factors, {options.threads} threads, generated ratings, 150 a user; an epoch is "
        "the median of three. Bytes a rating: of the peak, without the model and without what the process "
        f"took before ({base}); names of users and items are in them, and buffers of some MiB, which few "
        f"ratings have to bear alone. {last['ratings'] / 1e6:.0f} million ratings: {peak} in all, "
        f"{last['rating_bytes']:.1f} bytes a rating; each beyond the first {points[0]['ratings']:,.0f} takes "
        f"{_each_further(points[0], last):.1f}."
    )
    each = (whole.peak_bytes - least - last["model_bytes"]) / last["ratings"]
    of_command = (
        f"The whole command, `dlkit mf` with {EPOCHS} epochs, which also saves the run and writes its "
        f"factors, of as many: {seconds_text(whole.wall_seconds)}, {bytes_text(whole.peak_bytes)} at its "
        f"peak; {each:.1f} bytes a rating beside the model and the {bytes_text(least)} that it takes for "
        "1,000 ratings."
    )
    body = [
        text,
        f"![seconds against ratings](pictures/{NAME}.png)",
        table(head, [_line(point) for point in points]),
        of_command,
        f"Figures: [{NAME}.csv](pictures/{NAME}.csv)",
    ]
    return Section("mf, cost against ratings", "\n\n".join(body), versions(*done))


def _command(options: Options, path: Path) -> Contender:
    """The command as its users run it."""
    command = [sys.executable, "-m", "dlkit", "mf", str(path), "--factors", str(FACTORS), "-q"]
    command += ["--epochs", str(EPOCHS), "--threads", str(options.threads)]
    command += ["-o", str(path.parent / "run"), "--force"]
    return Contender("the whole command", command, options.environment)


def _each_further(first: Point, last: Point) -> float:
    """Bytes that one more rating takes."""
    beside = [point["rating_bytes"] * point["ratings"] for point in (first, last)]
    return (beside[1] - beside[0]) / (last["ratings"] - first["ratings"])


def _line(point: Point) -> list[str]:
    times = [seconds_text(point[key]) for key in ("read", "build", "epoch")]
    each = f"{point['epoch'] / point['ratings'] * 1e9:.1f}"
    memory = [bytes_text(point["peak_bytes"]), f"{point['rating_bytes']:.1f}"]
    return [f"{point['ratings']:,.0f}", *times, each, *memory]


def write_csv(path: Path, points: Sequence[Point]) -> None:
    """A line a point; seconds and bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{point[key]:.6g}" for key in COLUMNS} for point in points)


def draw(path: Path, points: Sequence[Point]) -> None:
    """Seconds over ratings and bytes over ratings, all axes logarithmic, with lines of slope 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    ratings = [point["ratings"] for point in points]
    for key, name, style in (
        ("epoch", "an epoch", "o-"),
        ("read", "reading", "s-"),
        ("build", "ordering", "^-"),
    ):
        left.loglog(ratings, [point[key] for point in points], style, label=name)
    ideal = [points[-1]["epoch"] * n / ratings[-1] for n in ratings]
    left.loglog(ratings, ideal, ":", color="0.4", label="proportional to the ratings")
    right.loglog(ratings, [point["peak_bytes"] / 2**20 for point in points], "o-", label="peak memory")
    right.loglog(ratings, [20 * n / 2**20 for n in ratings], ":", color="0.4", label="20 bytes a rating")
    left.set(xlabel="ratings", ylabel="seconds")
    right.set(xlabel="ratings", ylabel="MiB")
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
