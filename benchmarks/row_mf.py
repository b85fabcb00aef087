"""Row mf: matrix factorisation against Surprise, same ratings, same split, same settings."""

import os
import tempfile
from pathlib import Path

from benchmarks import ratings_made
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

OURS, OURS_ONE, PEER = "dlkit", "dlkit, 1 thread", "Surprise"


def measure(options: Options) -> Section:
    """Seconds of training, read and compiled before; SVD (100 factors), SVD++ (20), NMF (15)."""
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as name:
        for label, train, test, works in _sources(Path(name)):
            for model, epochs in works:
                arguments = [str(train), str(test), model, str(epochs)]
                contenders = [
                    options.ours(OURS, "benchmarks.mf_dlkit", *arguments, str(options.threads)),
                    options.ours(OURS_ONE, "benchmarks.mf_dlkit", *arguments, "1"),
                    options.peer(PEER, "benchmarks.mf_surprise", *arguments),
                ]
                rounds = alternate(contenders, options.rounds, warm_up=0, heard=heard)
                for one in (OURS, OURS_ONE, PEER):
                    seconds = seconds_text(median_of(rounds, one, "train_seconds"))
                    rate = f"{median_of(rounds, one, 'updates_a_second') / 1e6:.1f}M"
                    rmse = f"{median_of(rounds, one, 'rmse'):.4f}"
                    rows.append([label, f"{model}, {epochs} epochs", one, seconds, rate, rmse])
                ratios = [speed_ratio(rounds, one, PEER, "train_seconds") for one in (OURS, OURS_ONE)]
                notes.append(f"- {label}, {model}: {ratios[0]}; one thread {ratios[1]}")
    body = "\n\n".join(
        [
            f"Training alone, {options.threads} threads (Surprise has one; so has dlkit's svd++).",
            table(["ratings", "model", "", "training (median)", "updates/s", "test RMSE"], rows),
            "\n".join(notes),
        ]
    )
    return Section("mf, training", body, versions(*rounds[-1]))


def _sources(folder: Path) -> list[tuple[str, Path, Path, list[tuple[str, int]]]]:
    """Every fifth rating is for the test."""
    found = []
    real = Path(os.environ.get("DLKIT_DATA", "")) / "ml-100k" / "u.data"
    if os.environ.get("DLKIT_DATA") and real.is_file():
        lines = [",".join(line.split("\t")[:3]) for line in real.read_text(encoding="ascii").splitlines()]
        train, test = _halves(folder, "ml-100k", lines)
        found.append(("ml-100k", train, test, [("svd", 20), ("svd++", 20), ("nmf", 50)]))
    made = folder / "made.csv"
    ratings_made.write(made, 1_000_000, 6040, 3700)
    train, test = _halves(folder, "made", made.read_text(encoding="ascii").splitlines()[1:])
    found.append(("1M made up", train, test, [("svd", 5)]))
    return found


def _halves(folder: Path, name: str, lines: list[str]) -> tuple[Path, Path]:
    paths = folder / f"{name}-train.csv", folder / f"{name}-test.csv"
    for path, rows in zip(paths, ([r for k, r in enumerate(lines) if k % 5], lines[::5]), strict=True):
        path.write_text("\n".join(["user,item,rating", *rows]) + "\n", encoding="ascii")
    return paths
