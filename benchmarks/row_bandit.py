"""Row bandit: decisions a second by policy, with one shard and with two; there is no peer."""

import json

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import table

POLICIES: dict[str, tuple[str, object]] = {
    "thompson, 10 arms": ("arms", "thompson"),
    "ucb1, 10 arms": ("arms", "ucb1"),
    "epsilon_greedy, 10 arms": ("arms", "epsilon_greedy"),
    "thompson_linear, 117 features": ("contexts", "thompson_linear"),
    "linucb, 117 features": ("contexts", "linucb"),
    "thompson_dropout, 117 features": ("contexts", "thompson_dropout"),
}
"""World and policy."""


def measure(options: Options) -> Section:
    """Four runs side by side, 100 decisions of each at a time."""
    rows = []
    for label, (world, policy) in POLICIES.items():
        names = {f"{label}, {shards} shards": shards for shards in ("1", "2")}
        contenders = [
            options.ours(name, "benchmarks.bandit_dlkit", world, json.dumps(policy), shards)
            for name, shards in names.items()
        ]
        rounds = alternate(contenders, options.rounds, heard=heard)
        one, two = names
        rate = f"{median_of(rounds, one, 'decisions_a_second'):,.0f}"
        rows.append([label, rate, speed_ratio(rounds, two, one, "seconds")])
    body = (
        "Four runs, each with its own chances; two shards give them to two threads, which take turns in the "
        "interpreter: `shards: auto` is 1 here.\n\n"
        + table(["policy, world", "decisions/s, one shard", "two shards are"], rows)
    )
    return Section("bandit, decisions", body, versions(*rounds[-1]))
