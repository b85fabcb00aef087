"""Row lda: topics of 20 newsgroups to the same held-out perplexity, against scikit-learn and tomotopy."""

import os
import tempfile
from pathlib import Path

from benchmarks import bayes_nb
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Contender, alternate, median_of, run
from benchmarks.results import seconds_text, table

OURS, SKLEARN, TOMOTOPY = "dlkit", "scikit-learn", "tomotopy"
VARIATIONAL, SWEEPS = 10, 60
"""Passes of scikit-learn; sweeps of the two samplers."""
GIBBS_PEER = "DLKIT_TOMOTOPY_PYTHON"
"""Environment variable that names a Python with tomotopy, where that is another one."""


def measure(options: Options) -> Section:
    """Training alone: the words are numbers already, kernels are compiled, topics 20."""
    with tempfile.TemporaryDirectory() as folder:
        lines, _, what = bayes_nb.write(Path(folder))
        words = str(Path(folder, "words.npz"))
        run(options.ours("prepare", "benchmarks.lda_dlkit", words, "--prepare", str(lines)))
        sklearn = options.peer(SKLEARN, "benchmarks.lda_peers", SKLEARN, words, "1", str(VARIATIONAL))
        slow = run(sklearn)
        heard(slow)
        target = slow.figure("perplexity")
        gibbs = [_ours(options, words, threads, target) for threads in (1, options.threads)]
        gibbs += [_tomotopy(options, words, threads) for threads in (1, options.threads)]
        rounds = alternate(gibbs, options.rounds, warm_up=0, heard=heard)
    names = [one.name for one in gibbs]
    rows = [_row(rounds, name, f"{SWEEPS} sweeps") for name in names]
    rows.append(_row([[slow]], SKLEARN, f"{VARIATIONAL} passes"))
    needed = {n: median_of(rounds, n, "seconds") for n in names[:2]}
    sweeps = median_of(rounds, names[0], "sweeps_needed")
    notes = [
        f"- to scikit-learn's perplexity of {target:,.0f} ({seconds_text(slow.figure('seconds'))}): "
        + ", ".join(f"{n} {seconds_text(s)}, {slow.figure('seconds') / s:.1f}×" for n, s in needed.items())
        + f" ({sweeps:.0f} sweeps)",
        *(
            f"- against {peer}, words a second: "
            f"{median_of(rounds, ours, 'tokens_a_second') / median_of(rounds, peer, 'tokens_a_second'):.2f}×"
            for ours, peer in zip(names[:2], names[2:], strict=True)
        ),
    ]
    head = ["", "passes", "training (median)", "words/s", "held-out perplexity"]
    text = (
        f"{what}, a fifth held out; 20 topics. Training alone, from numbered words. Perplexity by document "
        "completion, each with its own inference from the first half of a document. Ours and tomotopy learn "
        "alpha every ten sweeps; scikit-learn ran once."
    )
    return Section(
        "lda", "\n\n".join([text, table(head, rows), "\n".join(notes)]), versions(*rounds[-1], slow)
    )


def _ours(options: Options, words: str, threads: int, target: float) -> Contender:
    name = f"{OURS}, {threads} thread{'s' * (threads > 1)}"
    given = [words, "--threads", str(threads), "--target", str(target), "--sweeps", str(SWEEPS)]
    return options.ours(name, "benchmarks.lda_dlkit", *given)


def _tomotopy(options: Options, words: str, threads: int) -> Contender:
    name = f"{TOMOTOPY}, {threads} worker{'s' * (threads > 1)}"
    python = os.environ.get(GIBBS_PEER, options.peer_python)
    command = [python, "-m", "benchmarks.lda_peers", TOMOTOPY, words, str(threads), str(SWEEPS)]
    return Contender(name, command, options.environment)


def _row(rounds, name: str, passes: str) -> list[str]:  # type: ignore[no-untyped-def]
    rate = median_of(rounds, name, "tokens_a_second") / 1e6
    seconds = seconds_text(median_of(rounds, name, "whole_seconds"))
    return [name, passes, seconds, f"{rate:.1f}M", f"{median_of(rounds, name, 'perplexity'):,.0f}"]
