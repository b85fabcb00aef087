"""Row rnn: one training step of a character LSTM with Adam against PyTorch."""

from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import alternate
from benchmarks.rnn import Sizes, arguments
from benchmarks.steps import step_table, verdict

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, fused Adam"
BAR, AIM = 1.3, 2.0


def measure(options: Options) -> Section:
    """Alternate the contenders, and tell how much of the machine's sgemm each reaches."""
    sizes = Sizes()
    given = arguments(sizes, options.threads)
    contenders = [
        options.ours(OURS, "benchmarks.rnn_dlkit", *given),
        options.peer(PEER, "benchmarks.rnn_torch", *given),
        options.peer(FUSED, "benchmarks.rnn_torch", *given, "--fused"),
    ]
    peak = sgemm(options, threads=options.threads)["peak"]
    rounds = alternate(contenders, options.rounds, heard=heard)
    body = "\n\n".join(
        [
            f"{sizes.symbols} symbols, embedding {sizes.embedding}, an LSTM of {sizes.units} units, batch "
            f"{sizes.batch}, {sizes.steps} steps of back-propagation, the state carried on, Adam, float32, "
            f"{options.threads} threads each, {sizes.flop / 1e6:,.0f} MFLOP in matrix products. "
            "dlkit's step is the command's own and cuts its window out of the text.",
            step_table(rounds, sizes, peak),
            verdict(rounds, OURS, PEER, FUSED, bar=BAR, aim=AIM),
        ]
    )
    return Section("rnn, one step", body, versions(*rounds[-1]))
