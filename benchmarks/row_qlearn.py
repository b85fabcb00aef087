"""Row qlearn: Q-learning on FrozenLake 8x8 against a Python loop over Gymnasium."""

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import table

OURS, OURS_ONE, ONE_AGENT = "dlkit", "dlkit, 1 thread", "dlkit, 1 thread, 1 agent"
PEER, TUNED = "Gymnasium, a tutorial's loop", "Gymnasium, a tuned loop"
AGENTS, EPISODES, ALONE, PEER_EPISODES = 32, 20_000, 100_000, 2_000


def measure(options: Options) -> Section:
    """Seconds a step of an agent takes, compiled before: world, action, reward and update."""
    work = (str(AGENTS), str(EPISODES))
    contenders = [
        options.ours(OURS, "benchmarks.qlearn_dlkit", *work, str(options.threads)),
        options.ours(OURS_ONE, "benchmarks.qlearn_dlkit", *work, "1"),
        options.ours(ONE_AGENT, "benchmarks.qlearn_dlkit", "1", str(ALONE), "1"),
        options.peer(PEER, "benchmarks.qlearn_gymnasium", str(PEER_EPISODES), "tutorial"),
        options.peer(TUNED, "benchmarks.qlearn_gymnasium", str(PEER_EPISODES), "tuned"),
    ]
    rounds = alternate(contenders, options.rounds, warm_up=0, heard=heard)
    rows = []
    for name in (OURS, OURS_ONE, ONE_AGENT, PEER, TUNED):
        seconds = median_of(rounds, name, "seconds_a_step")
        rate = f"{1 / seconds / 1e6:.1f}M" if seconds < 1e-6 else f"{1 / seconds / 1e3:.0f}k"
        rows.append([name, f"{seconds * 1e9:,.0f} ns", f"{rate} steps/s"])
    ratios = [
        f"- {name} against {peer}: {speed_ratio(rounds, name, peer, 'seconds_a_step')}"
        + ("; bar 100×, aim 500×" if (name, peer) == (OURS, PEER) else "")
        for peer in (PEER, TUNED)
        for name in (OURS, OURS_ONE, ONE_AGENT)
    ]
    body = "\n\n".join(
        [
            f"Q-learning with a table, epsilon from 1 to .1; {AGENTS} agents at once on {options.threads} "
            "threads. The loops over Gymnasium have one agent and one thread: a tutorial's with NumPy's "
            "random numbers, `action_space.sample()`, `np.argmax` and `np.max`, a tuned one with Python's "
            "random numbers and the arrays' own methods.",
            table(["", "a step (median)", "rate"], rows),
            "\n".join(ratios),
        ]
    )
    return Section("qlearn, FrozenLake 8×8", body, versions(*rounds[-1]))
