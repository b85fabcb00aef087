"""Row bayes-nb: labelled text to a trained multinomial model, against scikit-learn."""

import sys
import tempfile
from pathlib import Path

from benchmarks import bayes_nb
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Contender, alternate, median_of, speed_ratio
from benchmarks.results import bytes_text, seconds_text, table

OURS, PEER, WHOLE = "dlkit", "scikit-learn", "dlkit, the whole command"


def measure(options: Options) -> Section:
    """Seconds from the source to the trained model: one file, and a folder of documents; the same words."""
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        lines, documents, what = bayes_nb.write(Path(folder))
        for source, name in (
            (lines, "one file"),
            (documents, f"{len(list(documents.rglob('*/*'))):,} files"),
        ):
            rounds = alternate(_contenders(options, source), options.rounds, heard=heard)
            features = {run.figure("features") for turn in rounds for run in turn if run.name != WHOLE}
            if len(features) > 1:
                raise ValueError(f"the contenders found different words: {features}")
            for contender, key in ((OURS, "train_seconds"), (PEER, "train_seconds"), (WHOLE, "wall_seconds")):
                seconds = seconds_text(median_of(rounds, contender, key))
                rows.append(
                    [name, contender, seconds, bytes_text(median_of(rounds, contender, "peak_bytes"))]
                )
            pairs = [[run for run in turn if run.name != WHOLE] for turn in rounds]
            notes.append(f"- {name}, against {PEER}: {speed_ratio(pairs, OURS, PEER, 'train_seconds')}")
        size = lines.stat().st_size
    body = "\n\n".join(
        [
            f"{what}: {size / 1e6:.0f} MB, {int(features.pop()):,} words, {options.threads} threads. "
            "Reading, counting and weighing; modules imported and kernels loaded before. The whole command "
            "starts Python and writes the run too.",
            table(["source", "", "text to model (median)", "peak memory"], rows),
            "\n".join(notes),
        ]
    )
    return Section("bayes-nb, text to trained model", body, versions(*rounds[-1]))


def _contenders(options: Options, source: Path) -> list[Contender]:
    command = [sys.executable, "-m", "dlkit", "bayes-nb", str(source), "--set", "data.encoding=latin-1", "-q"]
    command += ["-o", str(source.parent / "run"), "--force", "--threads", str(options.threads)]
    return [
        options.ours(OURS, "benchmarks.bayes_nb_dlkit", str(source), str(options.threads)),
        options.peer(PEER, "benchmarks.bayes_nb_sklearn", str(source)),
        Contender(WHOLE, command, options.environment),
    ]
