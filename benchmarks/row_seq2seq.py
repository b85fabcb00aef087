"""Row seq2seq: a training step and the greedy translation of a batch against PyTorch on the CPU."""

from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import Run, alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table
from benchmarks.seq2seq import Sizes, arguments
from benchmarks.steps import step_table, verdict

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, fused Adam"
BEAMS = 5
WIDE = f"dlkit, {BEAMS} beams"
BAR, AIM = 1.3, 2.0
TRANSLATION_BAR = 2.0


def measure(options: Options) -> Section:
    """Alternate the contenders on a step and on a translation."""
    sizes = Sizes()
    peak = float(sgemm(options, threads=options.threads)["peak"])
    steps = _training(options, sizes)
    translations, wide = _translating(options, sizes)
    body = "\n\n".join(
        [
            f"GRU {sizes.units} and dot attention, {sizes.pairs} pairs of {sizes.steps} words, vocabularies "
            f"of {sizes.words:,}, Adam, float32, {options.threads} threads each, {sizes.flop / 1e9:.1f} "
            "GFLOP in a step's matrix products. dlkit's step is the command's own and makes its batch; "
            "PyTorch's batch is ready. dlkit changes the embeddings of the words that a step uses, PyTorch "
            "all of them.",
            step_table(steps, sizes, peak, unit="words/s"),
            verdict(steps, OURS, PEER, FUSED, bar=BAR, aim=AIM),
            f"Greedy translation of {sizes.translated} sentences of 2 to 30 words, {sizes.pairs} at a time. "
            "dlkit sorts them by length and goes on without those that have ended; PyTorch takes them as "
            "they come, until the last of a batch has ended, as its tutorials do. These have no beam search.",
            _translations(translations, wide, sum(sizes.sentences())),
            f"- against {PEER}: {speed_ratio(translations, OURS, PEER, 'seconds')}; bar {TRANSLATION_BAR}×",
        ]
    )
    return Section("seq2seq, one step and a translation", body, versions(*steps[-1]))


def _translations(rounds: list[list[Run]], wide: list[list[Run]], words: int) -> str:
    """Seconds and words a second of each contender."""
    rows = []
    for runs in (rounds, wide):
        for name in (run.name for run in runs[0]):
            seconds = median_of(runs, name, "seconds")
            rows.append([name, seconds_text(seconds), f"{words / seconds:,.0f}"])
    return table(["", "the file (median)", "words/s"], rows)


def _training(options: Options, sizes: Sizes) -> list[list[Run]]:
    given = arguments(sizes, options.threads)
    contenders = [
        options.ours(OURS, "benchmarks.seq2seq_dlkit", *given),
        options.peer(PEER, "benchmarks.seq2seq_torch", *given),
        options.peer(FUSED, "benchmarks.seq2seq_torch", *given, "--fused"),
    ]
    return alternate(contenders, options.rounds, heard=heard)


def _translating(options: Options, sizes: Sizes) -> tuple[list[list[Run]], list[list[Run]]]:
    """Greedy translations in alternation, and dlkit's with several beams."""
    given = arguments(sizes, options.threads, "--translate")
    greedy = [
        options.ours(OURS, "benchmarks.seq2seq_dlkit", *given),
        options.peer(PEER, "benchmarks.seq2seq_torch", *given),
    ]
    wide = options.ours(WIDE, "benchmarks.seq2seq_dlkit", *given, "--beam", str(BEAMS))
    return (
        alternate(greedy, options.rounds, heard=heard),
        alternate([wide], min(options.rounds, 2), warm_up=0, heard=heard),
    )
