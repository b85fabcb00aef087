"""The compiled loop of td.py: the agents of a core take their steps in turn.

What an agent does next hangs on what it has just learnt, so one agent alone leaves the core waiting: for
loads that follow each other, and for branches on drawn numbers, which nothing can predict. So up to LANES
agents have a lane each and go a step at a time, and what chance decides is computed without branches: all
outcomes are compared, and the greedy action is found even where another is taken. Sums and draws are the
reference's, in its order.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.chance import GOLDEN, compiled_draw, mixed
from dlkit.kernels.compile import inlined

LANES = 16
"""Agents in turn: enough to fill the waiting, few enough for their tables to stay in the nearest cache."""


def td_episodes_lanes(
    q, visits, choices, first, following, cumulative, rewards, ends, starts, start_cumulative, keys, done,
    epsilon, alpha, half, discount, horizon, method, random_ties, returns, lengths, outcomes
):  # fmt: skip
    """`td_episodes_reference`, with its arguments."""
    values, counts, width = q.reshape(-1), visits.reshape(-1), np.uint64(q.shape[3])
    size, twice = np.uint64(q.shape[2]) * width, q.shape[1] == 2
    apart = size if twice else np.uint64(0)  # of an agent's two tables
    # Of the agent in a lane; at step 0 its next episode has not begun.
    agent, episode, step = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    state, action, total = np.empty(LANES, np.uint64), np.empty(LANES, np.int64), np.empty(LANES)
    key, place, moving, choosing = (np.empty(LANES, np.uint64), np.empty(LANES, np.uint64),
                                    np.empty(LANES, np.uint64), np.empty(LANES, np.uint64))  # fmt: skip
    for low in range(0, q.shape[0] if epsilon.size else 0, LANES):
        live, ended = min(LANES, q.shape[0] - low), True
        for i in range(live):
            agent[i], episode[i], step[i] = low + i, -1, 0
        while live > 0:
            if ended:
                live, ended = _next_episodes(
                    live, agent, episode, step, state, action, total, key, place, values, size, apart,
                    choices, starts, start_cumulative, keys, done, epsilon, random_ties
                ), False  # fmt: skip
            for i in range(live):  # draws 3 t + 2 and 3 t + 4
                moving[i] = mixed(place[i])
                choosing[i] = mixed(place[i] + np.uint64(2) * np.uint64(GOLDEN))
                place[i] += np.uint64(3) * np.uint64(GOLDEN)
            for i in range(live):
                e, t, eps, rate = episode[i], step[i] + 1, epsilon[episode[i]], alpha[episode[i]]
                pair = state[i] * width + np.uint64(action[i])
                o = _outcome(first, cumulative, pair, moving[i])
                after, outcome = np.uint64(following[o]), ends[o]
                row, n, base = after * width, choices[after], np.uint64(agent[i]) * (size + apart)
                mine = base + (moving[i] & np.uint64(1)) * apart
                other = base + base + apart - mine
                a, ahead = 0, 0.0
                if outcome == 0:
                    a, best = _chosen(values, twice, mine + row, other + row, n, eps, choosing[i], key[i], t,
                                      random_ties)  # fmt: skip
                    ahead = _ahead(method, values, mine + row, other + row, n, eps, a, best)
                if half > 0.0:
                    at = np.uint64(agent[i]) * size + pair
                    rate = rate * half / (half + counts[at])
                    counts[at] += 1
                value = values[mine + pair]
                values[mine + pair] = value + rate * (rewards[o] + discount * ahead - value)
                total[i] += rewards[o]
                if outcome == 0 and t < horizon:
                    if after == state[i] and method != 1:  # what has just been learnt counts
                        a, _ = _chosen(values, twice, mine + row, other + row, n, eps, choosing[i], key[i], t,
                                       random_ties)  # fmt: skip
                    step[i], state[i], action[i] = t, after, a
                else:
                    k = agent[i]
                    returns[k, e], lengths[k, e], outcomes[k, e] = total[i], t, outcome
                    step[i], ended = 0, True


def _next_episodes(
    live, agent, episode, step, state, action, total, key, place, values, size, apart, choices, starts,
    start_cumulative, keys, done, epsilon, random_ties
):  # fmt: skip
    """Begin an episode in each lane without one; who has played all leaves the lane to the last one's agent.

    Returns how many lanes there still are.
    """
    i = 0
    while i < live:
        if step[i] == 0:
            episode[i] += 1
            if episode[i] == epsilon.size:
                live -= 1
                agent[i], episode[i], step[i], state[i] = agent[live], episode[live], step[live], state[live]
                action[i], total[i], key[i], place[i] = action[live], total[live], key[live], place[live]
                continue
            key[i] = compiled_draw(np.uint64(keys[agent[i]]), np.uint64(done + episode[i] + 1))
            place[i] = key[i] + np.uint64(2) * np.uint64(GOLDEN)
            u = (compiled_draw(key[i], np.uint64(0)) >> np.uint64(11)) * 1.1102230246251565e-16
            o = 0
            while o < starts.size - 1 and u >= start_cumulative[o]:
                o += 1
            s = np.uint64(starts[o])
            width = size // np.uint64(choices.size)
            row = np.uint64(agent[i]) * (size + apart) + s * width
            bits = compiled_draw(key[i], np.uint64(1))
            action[i], _ = _chosen(values, apart > 0, row, row + apart, choices[s], epsilon[episode[i]], bits,
                                   key[i], 0, random_ties)  # fmt: skip
            state[i], total[i] = s, 0.0
        i += 1
    return live


@inlined
def _outcome(first, cumulative, pair, bits):
    """The first outcome whose cumulative probability is above the draw, and the last where none is."""
    u = (bits >> np.uint64(11)) * 1.1102230246251565e-16
    low = first[pair]
    above = 0
    for o in range(low, first[pair + np.uint64(1)] - 1):
        above += u >= cumulative[np.uint64(o)]
    return np.uint64(low + above)


@inlined
def _chosen(values, twice, row, other, n, epsilon, bits, key, t, random_ties):
    """Action of step t by the values of `row` (twice: by their sums with those of `other`), the largest."""
    best, greedy, ties = values[row], 0, 1
    if twice:
        best += values[other]
    for b in range(1, n):
        v = values[row + np.uint64(b)]
        if twice:
            v += values[other + np.uint64(b)]
        ties = 1 if v > best else ties + (v == best)
        greedy = b if v > best else greedy
        best = v if v > best else best
    if random_ties and ties > 1:
        coin = compiled_draw(key, np.uint64(3 * t + 3))
        pick = np.int64(((coin >> np.uint64(32)) * np.uint64(ties)) >> np.uint64(32))
        for b in range(n):
            v = values[row + np.uint64(b)]
            if twice:
                v += values[other + np.uint64(b)]
            if v == best:
                greedy = b if pick == 0 else greedy
                pick -= 1
    chance = np.int64(((bits & np.uint64(0xFFFFFFFF)) * np.uint64(n)) >> np.uint64(32))
    explores = -np.int64((bits >> np.uint64(32)) * 2.3283064365386963e-10 < epsilon)
    return greedy ^ ((greedy ^ chance) & explores), best


@inlined
def _ahead(method, values, row, other, n, epsilon, following, best):
    """`bootstrap` of td.py; best: the largest of the row."""
    if method == 0:
        return best
    if method == 1:
        return values[row + np.uint64(following)]
    if method == 3:
        a = 0
        for b in range(1, n):
            if values[row + np.uint64(b)] > values[row + np.uint64(a)]:
                a = b
        return values[other + np.uint64(a)]
    total = 0.0
    for b in range(n):
        total = total + values[row + np.uint64(b)]
    return (epsilon * total) / n + (1.0 - epsilon) * best
