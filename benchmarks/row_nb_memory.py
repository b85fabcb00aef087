"""Row bayes-nb-memory: a gigabyte of text through the command as it is, and how much memory it takes."""

import sys
import tempfile
from pathlib import Path

from benchmarks import text_made
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Contender, run
from benchmarks.results import bytes_text, seconds_text, table

SIZES = (10**8, 3 * 10**8, 10**9)


def measure(options: Options) -> Section:
    """The whole command, from Python's start to the written run, on files of growing size."""
    rows, done = [], []
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "text.txt", Path(folder) / "run"
        for size in SIZES:
            text_made.write(path, size)
            command = [sys.executable, "-m", "dlkit", "bayes-nb", str(path), "-q", "-o", str(out), "--force"]
            command += ["--threads", str(options.threads)]
            done.append(run(Contender(f"{size / 1e6:.0f} MB", command, options.environment)))
            heard(done[-1])
            seconds, peak = done[-1].wall_seconds, done[-1].peak_bytes
            figures = [seconds_text(seconds), f"{size / 1e6 / seconds:.0f} MB/s", bytes_text(peak)]
            rows.append([f"{size / 1e6:,.0f} MB", *figures])
    body = "\n\n".join(
        [
            f"Generated text, {text_made.CLASSES} classes, up to {text_made.DISTINCT / 1e6:.0f} million "
            f"different words, the command's defaults, {options.threads} threads.",
            table(["file", "the whole command", "", "peak memory"], rows),
        ]
    )
    return Section("bayes-nb, memory", body, versions(*done))
