"""Row gan: one step of D and one of G of the default recipe, batch 64, against PyTorch on the CPU."""

from collections.abc import Sequence

from benchmarks.gan import DISCRIMINATOR, GENERATOR, Round, arguments
from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import Run, alternate, median_of, speed_ratio
from benchmarks.results import bytes_text, seconds_text, table

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
    peak = sgemm(options, threads=options.threads)["peak"]
    rounds = alternate(contenders, options.rounds, heard=heard)
    body = "\n\n".join(
        [
            f"G {_sizes(GENERATOR)} with batch normalisation, D {_sizes(DISCRIMINATOR)}, "
            f"batch {fresh.batch}, Adam, float32, one step of D and one of G, "
            f"{options.threads} threads on each side, "
            f"{fresh.flop / 1e6:,.0f} MFLOP in matrix products (fakes made once: {once.flop / 1e6:,.0f}).",
            _steps(rounds, {ONCE: once, PEER_ONCE: once}, fresh, peak),
            f"- against {PEER}: {speed_ratio(rounds, OURS, PEER, 'seconds')}; bar {BAR}×, aim {AIM}×\n"
            f"- against {FUSED}: {speed_ratio(rounds, OURS, FUSED, 'seconds')}\n"
            f"- fakes made once on both sides: {speed_ratio(rounds, ONCE, PEER_ONCE, 'seconds')}",
        ]
    )
    return Section("gan, one step of each network", body, versions(*rounds[-1]))


def _sizes(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths))


def _steps(rounds: Sequence[Sequence[Run]], special: dict[str, Round], usual: Round, peak: float) -> str:
    rows = []
    for name in (run.name for run in rounds[0]):
        work, seconds = special.get(name, usual), median_of(rounds, name, "seconds")
        rate = work.flop / seconds / 1e9
        memory = bytes_text(median_of(rounds, name, "peak_bytes"))
        rows.append(
            [name, seconds_text(seconds), f"{work.batch / seconds:,.0f}", f"{rate:.0f}",
             f"{100 * rate / peak:.0f} %", memory]
        )  # fmt: skip
    header = [
        "",
        "both steps (median)",
        "images/s",
        "GFLOP/s",
        f"of sgemm's {peak:.0f} GFLOP/s",
        "peak memory",
    ]
    return table(header, rows)
