"""``python -m benchmarks ROW... [--rounds N] [--threads N] [--peer-python PATH] [--results FILE]``

Measures the rows, prints every run as a JSON line, and replaces the rows' sections of RESULTS.md.
"""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.machine import heading
from benchmarks.options import HERE, Options, load
from benchmarks.pairs import ContenderFailed
from benchmarks.results import write_section

ROWS = {
    "train-mlp": "row_train_mlp",
    "train-cnn": "row_train_cnn",
    "cost-cnn": "row_cost_cnn",
    "gan": "row_gan",
    "train-mlp-cli": "row_train_mlp_cli",
    "split": "row_split",
    "bayes-nb": "row_bayes_nb",
    "vae": "row_vae",
    "seq2seq": "row_seq2seq",
    "rnn": "row_rnn",
    "cost-rnn": "row_cost_rnn",
    "mf": "row_mf",
    "bandit": "row_bandit",
    "qlearn": "row_qlearn",
    "startup": "row_startup",
    "cost": "row_cost",
    "apriori": "row_apriori",
    "word2vec": "row_word2vec",
    "lda": "row_lda",
    "cost-mf": "row_cost_mf",
    "bayes-nb-memory": "row_nb_memory",
    "word2vec-memory": "row_word2vec_memory",
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 where a contender failed (the rows measured before it are kept)."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=7, help="times that each contender runs (7)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each contender (2)")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has the peer")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    asked = parser.parse_args(arguments)
    options = Options(asked.rounds, asked.threads, asked.peer_python)
    for row in asked.rows:
        busy = load()
        print(
            f"{row}: load {busy:.2f}" + (", the machine is not quiet" if busy > 0.5 else ""), file=sys.stderr
        )
        try:
            section = importlib.import_module(f"benchmarks.{ROWS[row]}").measure(options)
        except ContenderFailed as failure:
            print(f"error: {failure}", file=sys.stderr)
            return 1
        command = f"python -m benchmarks {row} --rounds {options.rounds} --threads {options.threads}"
        above = heading(command, dict(section.versions), busy)
        write_section(asked.results, section.title, f"{above}\n\n{section.body}")
        print(f"{row}: written to {asked.results}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
