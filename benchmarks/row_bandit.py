"""Row bandit: decisions a second by policy, beside MABWiser's and a plain loop of NumPy."""

import json
from dataclasses import replace

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import table

POLICIES: dict[str, tuple[str, str]] = {
    "thompson, 10 arms": ("arms", "thompson"),
    "ucb1, 10 arms": ("arms", "ucb1"),
    "epsilon_greedy, 10 arms": ("arms", "epsilon_greedy"),
    "thompson_linear, 117 features": ("contexts", "thompson_linear"),
    "linucb, 117 features": ("contexts", "linucb"),
    "thompson_dropout, 117 features": ("contexts", "thompson_dropout"),
}
"""World and policy."""
WITHOUT_PEER = "thompson_dropout"


def measure(options: Options) -> Section:
    """One thread each; dlkit decides for four runs in turn, 100 decisions of each at a time."""
    options = replace(options, threads=1)
    rows, used = [], {}
    for label, (world, policy) in POLICIES.items():
        contenders = [options.ours("dlkit", "benchmarks.bandit_dlkit", world, json.dumps(policy), "1")]
        if policy != WITHOUT_PEER:
            contenders += [
                options.peer(name, "benchmarks.bandit_peers", name, world, policy)
                for name in ("mabwiser", "numpy")
            ]
        rounds = alternate(contenders, options.rounds, heard=heard)
        rate = {one.name: f"{median_of(rounds, one.name, 'decisions_a_second'):,.0f}" for one in contenders}
        ratios = [
            f"{rate[name]}, {speed_ratio(rounds, 'dlkit', name, 'decision_seconds')}" if name in rate else "-"
            for name in ("mabwiser", "numpy")
        ]
        rows.append([label, rate["dlkit"], *ratios])
        used |= versions(*rounds[-1])
    body = (
        "A decision: draw W, choose, receive the reward, learn. dlkit takes 100 draws for Thompson sampling, "
        "so that a log can tell probabilities, and keeps the account of regret; the others take one draw "
        "and keep nothing. Beside the peers' rates how many times faster dlkit is.\n\n"
        + table(["policy, world", "dlkit, decisions/s", "MABWiser", "a loop of NumPy"], rows)
    )
    return Section("bandit, decisions", body, used)
