"""Row gan: one step of D and one of G of the default recipe, batch 64, against PyTorch on the CPU."""

from collections.abc import Sequence

from benchmarks.gan import DISCRIMINATOR, GENERATOR, Round, arguments
from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import alternate, speed_ratio
from benchmarks.steps import step_table, verdict

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, fused Adam"
ONCE, PEER_ONCE = "dlkit, fakes: once", "PyTorch, fakes once"
BAR, AIM = 1.5, 2.0


def measure(options: Options) -> Section:
    """Both ways to make fakes, each against PyTorch doing the same."""
    fresh, once = Round(), Round(once=True)
    ours, peer = "benchmarks.gan_dlkit", "benchmarks.gan_torch"
    contenders = [
        options.ours(OURS, ours, *arguments(fresh, options.threads)),
        options.peer(PEER, peer, *arguments(fresh, options.threads)),
        options.peer(FUSED, peer, *arguments(fresh, options.threads), "--fused"),
        options.ours(ONCE, ours, *arguments(once, options.threads)),
        options.peer(PEER_ONCE, peer, *arguments(once, options.threads)),
    ]
    work = {OURS: fresh, PEER: fresh, FUSED: fresh, ONCE: once, PEER_ONCE: once}
    peak = sgemm(options, threads=options.threads)["peak"]
    rounds = alternate(contenders, options.rounds, heard=heard)
    body = "\n\n".join(
        [
            f"G {_sizes(GENERATOR)} with batch normalisation, D {_sizes(DISCRIMINATOR)}, "
            f"batch {fresh.batch}, Adam, float32, one step of D and one of G, "
            f"{options.threads} threads on each side, "
            f"{fresh.flop / 1e6:,.0f} MFLOP in matrix products (fakes made once: {once.flop / 1e6:,.0f}).",
            step_table(rounds, work, peak, what="both steps (median)"),
            f"{verdict(rounds, OURS, PEER, FUSED, bar=BAR, aim=AIM)}\n"
            f"- fakes made once on both sides: {speed_ratio(rounds, ONCE, PEER_ONCE, 'seconds')}",
        ]
    )
    return Section("gan, one step of each network", body, versions(*rounds[-1]))


def _sizes(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths))
