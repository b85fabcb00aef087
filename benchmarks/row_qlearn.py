"""Row qlearn: Q-learning on FrozenLake 8x8 against a Python loop over Gymnasium."""

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import table

OURS, OURS_ONE, ONE_AGENT, PEER = "dlkit", "dlkit, 1 thread", "dlkit, 1 thread, 1 agent", "Gymnasium loop"
AGENTS, EPISODES, PEER_EPISODES = 16, 20_000, 2_000


def measure(options: Options) -> Section:
    """Seconds a step of an agent takes, compiled before: world, action, reward and update."""
    work = (str(AGENTS), str(EPISODES))
    contenders = [
        options.ours(OURS, "benchmarks.qlearn_dlkit", *work, str(options.threads)),
        options.ours(OURS_ONE, "benchmarks.qlearn_dlkit", *work, "1"),
        options.ours(ONE_AGENT, "benchmarks.qlearn_dlkit", "1", str(EPISODES), "1"),
        options.peer(PEER, "benchmarks.qlearn_gymnasium", str(PEER_EPISODES)),
    ]
    rounds = alternate(contenders, options.rounds, warm_up=0, heard=heard)
    rows = []
    for name in (OURS, OURS_ONE, ONE_AGENT, PEER):
        seconds = median_of(rounds, name, "seconds_a_step")
        rate = f"{1 / seconds / 1e6:.1f}M" if seconds < 1e-6 else f"{1 / seconds / 1e3:.0f}k"
        rows.append([name, f"{seconds * 1e9:,.0f} ns", f"{rate} steps/s"])
    ratios = [
        f"- {name}: {speed_ratio(rounds, name, PEER, 'seconds_a_step')}"
        for name in (OURS, OURS_ONE, ONE_AGENT)
    ]
    body = "\n\n".join(
        [
            f"Q-learning with a table, epsilon from 1 to .1; {AGENTS} agents at once on {options.threads} "
            "threads; the loop over Gymnasium has one agent and one thread.",
            table(["", "a step (median)", "rate"], rows),
            "\n".join(ratios),
        ]
    )
    return Section("qlearn, FrozenLake 8×8", body, versions(*rounds[-1]))
