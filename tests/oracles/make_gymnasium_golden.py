"""Write gymnasium_golden.json: Gymnasium's transition tables, to compare the built-in worlds with.

Run it with a Python that has gymnasium: ``python make_gymnasium_golden.py``. A table is kept as the digest of
its canonical text (see `canonical`) and its first lines, so that a difference can be looked at.
"""

import hashlib
import json
from pathlib import Path

IDS = {
    "frozenlake-4x4": ("FrozenLake-v1", {"map_name": "4x4"}),
    "frozenlake-8x8": ("FrozenLake-v1", {"map_name": "8x8"}),
    "cliff": ("CliffWalking-v1", {}),
    "taxi": ("Taxi-v4", {}),
}
HERE = Path(__file__).resolve().parent


def canonical(pairs: dict[tuple[int, int], list[tuple[float, int, float, bool]]]) -> list[str]:
    """A line a pair of state and action: its outcomes, equal ones added up, by the next state."""
    lines = []
    for (s, a), outcomes in sorted(pairs.items()):
        total: dict[tuple[int, float, bool], float] = {}
        for p, after, reward, ends in outcomes:
            key = (int(after), float(reward), bool(ends))
            total[key] = total.get(key, 0.0) + float(p)
        told = " ".join(f"{after}:{p:.9f}:{r:g}:{int(end)}" for (after, r, end), p in sorted(total.items()))
        lines.append(f"{s} {a} {told}")
    return lines


def live_states(table: dict, starts: list[int]) -> set[int]:
    """States that an episode can be in."""
    seen, frontier = set(starts), list(starts)
    while frontier:
        s = frontier.pop()
        for outcomes in table[s].values():
            for p, after, _, ends in outcomes:
                if p > 0 and not ends and int(after) not in seen:
                    seen.add(int(after))
                    frontier.append(int(after))
    return seen


def main() -> None:
    import gymnasium

    golden: dict[str, object] = {"gymnasium": gymnasium.__version__}
    for name, (identifier, options) in IDS.items():
        env = gymnasium.make(identifier, **options).unwrapped
        starts = [int(s) for s in env.initial_state_distrib.nonzero()[0]]
        live = live_states(env.P, starts)
        pairs = {(s, a): list(outcomes) for s in live for a, outcomes in env.P[s].items()}
        lines = canonical(pairs)
        golden[name] = {
            "starts": len(starts),
            "states": len(live),
            "lines": len(lines),
            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
            "first": lines[:12],
        }
    text = json.dumps(golden, indent=1)
    (HERE / "gymnasium_golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
