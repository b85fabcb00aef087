"""Agents with a table of action values that learn while they act: Q-learning and its relatives, fused.

World and agent are in one loop (td_lanes.py), so that a step costs some twenty nanoseconds. The world is a
table of outcomes: pair (s, a), in row s * A + a, has those from first[s A + a] to first[s A + a + 1].
Everything is float64: an argmax turns on a last bit, and the reference, the compiled loop and the device must
take the same path. Draws: kernels/chance.py, key of episode e: draw(keys[k], e + 1); in it number 0 is the
start, 3 t + 1 the action of step t, 3 t + 2 its outcome, 3 t + 3 its coin.
"""

from typing import Any

import numpy as np

from dlkit.kernels import chance, checks
from dlkit.kernels.registry import kernel
from dlkit.kernels.td_lanes import td_episodes_lanes

Q_LEARNING, SARSA, EXPECTED_SARSA, DOUBLE_Q = 0, 1, 2, 3


# -- one decision, one update: what the loops below are made of ----------------------------------------
def best_of(values: Any, n: int) -> int:
    """Index of the largest of values[:n], the first of equals."""
    best = 0
    for b in range(1, n):
        if values[b] > values[best]:
            best = b
    return best


def greedy(values: Any, n: int, coin: int, random_ties: int) -> int:
    """Index of the largest of values[:n]; of equals the first, or one that the coin's upper bits choose."""
    best = best_of(values, n)
    ties = [b for b in range(n) if values[b] == values[best]] if random_ties else []
    return ties[((coin >> 32) * len(ties)) >> 32] if ties else best


def epsilon_greedy(values: Any, n: int, epsilon: float, bits: int, coin: int, random_ties: int) -> int:
    """Any action with probability epsilon, else the greedy one."""
    if chance.upper_unit(bits) < epsilon:
        return chance.lower_below(bits, n)
    return greedy(values, n, coin, random_ties)


def bootstrap(method: int, q: Any, judge: Any, n: int, epsilon: float, following: int) -> float:
    """The value of the next state, of whose n actions q has the values: the term that gamma multiplies.

    Q-learning: max q. SARSA: q of the action that follows. Expected SARSA: the mean under the epsilon-greedy
    policy. Double Q: what the other table, the judge, says of q's best action (van Hasselt 2010).
    """
    if method == SARSA:
        return float(q[following])
    best = best_of(q, n)
    if method == DOUBLE_Q:
        return float(judge[best])
    if method == Q_LEARNING:
        return float(q[best])
    total = 0.0
    for b in range(n):
        total = total + float(q[b])
    return (epsilon * total) / n + (1.0 - epsilon) * float(q[best])


def updated(value: float, rate: float, reward: float, discount: float, ahead: float) -> float:
    """Q(s, a) + alpha (r + gamma ahead - Q(s, a))."""
    return value + rate * (reward + discount * ahead - value)


def rate_of(alpha: float, half: float, visits: int) -> float:
    """The learning rate at a pair that was updated so often before: alpha half / (half + visits)."""
    return alpha * half / (half + visits) if half > 0 else alpha


# -- whole episodes ------------------------------------------------------------------------------------
def td_episodes_reference(
    q: Any, visits: Any, choices: Any, first: Any, following: Any, cumulative: Any, rewards: Any, ends: Any,
    starts: Any, start_cumulative: Any, keys: Any, done: int, epsilon: Any, alpha: Any, half: float, discount:
    float, horizon: int, method: int, random_ties: int, returns: Any, lengths: Any, outcomes: Any,
) -> None:  # fmt: skip
    """Episodes done .. done + E - 1 of K agents, each on tables of its own.

    q: (K, T, S, A) action values: T = 2 tables for double Q, of which the sum is acted by, else 1.
    visits: (K, S, A) int32, updates of each pair; (0, S, A) where half is 0. choices: (S,) int32, actions
    of a state: its first so many columns. first: (S A + 1,) int64; following int32, cumulative float64
    (probability of this outcome and those before it), rewards float64, ends uint8 (0 goes on, 1 ends, 2
    ends in a goal): (n,). starts: (m,) int32 and start_cumulative (m,). keys: (K,) int64. epsilon, alpha:
    (E,) of each episode; the rate at a pair visited n times before is alpha half / (half + n), where half
    is not 0. horizon: most steps of an episode. returns: (K, E) sums of rewards; lengths: (K, E) int32;
    outcomes: (K, E) uint8, 0: cut off at the horizon (which does not count as an end: its last update
    looks ahead), else as in ends.
    Watkins 1989; Rummery & Niranjan 1994; Sutton & Barto 2018, sections 6.4 to 6.7.
    """
    K, T, _, A = q.shape
    for k in range(K):
        agent = int(keys[k]) & (2**64 - 1)
        for e in range(len(epsilon)):
            key, eps = chance.draw(agent, done + e + 1), float(epsilon[e])
            s = int(starts[_outcome(start_cumulative, 0, len(starts), chance.unit(chance.draw(key, 0)))])
            a = _action(q[k], s, choices, eps, key, 0, random_ties)
            total, outcome, t = 0.0, 0, 0
            while t < horizon and not outcome:
                row = s * A + a
                bits = chance.draw(key, 3 * t + 2)
                o = _outcome(cumulative, first[row], first[row + 1], chance.unit(bits))
                after, reward, outcome = int(following[o]), float(rewards[o]), int(ends[o])
                coin = bits & 1 if T == 2 else 0
                mine, judge = q[k, coin], q[k, T - 1 - coin]
                a2, ahead = 0, 0.0
                if not outcome:
                    if method == SARSA:
                        a2 = _action(q[k], after, choices, eps, key, t + 1, random_ties)
                    ahead = bootstrap(method, mine[after], judge[after], int(choices[after]), eps, a2)
                rate = float(alpha[e])
                if half > 0.0:
                    rate = rate_of(rate, half, int(visits[k, s, a]))
                    visits[k, s, a] += 1
                mine[s, a] = updated(float(mine[s, a]), rate, reward, discount, ahead)
                total, s, t, a = total + reward, after, t + 1, a2
                if method != SARSA and not outcome and t < horizon:
                    a = _action(q[k], s, choices, eps, key, t, random_ties)
            returns[k, e], lengths[k, e], outcomes[k, e] = total, t, outcome


def _action(q: Any, s: int, choices: Any, epsilon: float, key: int, t: int, random_ties: int) -> int:
    """The action of step t; q: (T, S, A), several tables go by their sum."""
    values = q[0, s] + q[1, s] if len(q) == 2 else q[0, s]
    bits, coin = chance.draw(key, 3 * t + 1), chance.draw(key, 3 * t + 3)
    return epsilon_greedy(values, int(choices[s]), epsilon, bits, coin, random_ties)


def _outcome(cumulative: Any, first: int, last: int, u: float) -> int:
    """The first outcome whose cumulative probability is above u; the last one takes what rounding leaves."""
    o = int(first)
    while o < last - 1 and u >= cumulative[o]:
        o += 1
    return o


CUDA = (
    chance.CUDA
    + r"""
// A thread is an agent. Products and sums are rounded one by one (__dmul_rn, __dadd_rn): fused, they would
// differ in a last bit from the host's, and a tie would fall the other way.
__device__ int td_chosen(const double* q, const double* other, int n, double epsilon, unsigned long long key,
                         long long t, int random_ties) {
  unsigned long long bits = chance_draw(key, (unsigned long long)(3 * t + 1));
  if (chance_upper_unit(bits) < epsilon) return chance_lower_below(bits, n);
  int a = 0, ties = 1;
  double best = other ? __dadd_rn(q[0], other[0]) : q[0];
  for (int b = 1; b < n; b++) {
    double v = other ? __dadd_rn(q[b], other[b]) : q[b];
    if (v > best) {
      best = v;
      a = b;
      ties = 1;
    } else if (v == best) {
      ties++;
    }
  }
  if (random_ties && ties > 1) {
    unsigned long long coin = chance_draw(key, (unsigned long long)(3 * t + 3));
    int pick = (int)(((coin >> 32) * (unsigned long long)ties) >> 32);
    for (int b = 0; b < n; b++) {
      double v = other ? __dadd_rn(q[b], other[b]) : q[b];
      if (v == best && pick-- == 0) return b;
    }
  }
  return a;
}

__device__ double td_ahead(int method, const double* q, const double* other, int n, double epsilon,
                           int after) {
  if (method == 1) return q[after];
  int a = 0;
  for (int b = 1; b < n; b++)
    if (q[b] > q[a]) a = b;
  if (method == 3) return other[a];
  if (method == 0) return q[a];
  double total = 0;
  for (int b = 0; b < n; b++) total = __dadd_rn(total, q[b]);
  return __dadd_rn(__dmul_rn(epsilon, total) / n, __dmul_rn(__dadd_rn(1.0, -epsilon), q[a]));
}

extern "C" __global__ void td_episodes(
    double* q, int* visits, const int* choices, const long long* first, const int* following,
    const double* cumulative, const double* rewards, const unsigned char* ends, const int* starts,
    const double* start_cumulative, const long long* keys, long long done, const double* epsilon,
    const double* alpha, double half, double discount, long long horizon, int method, int random_ties,
    double* returns, int* lengths, unsigned char* outcomes, int agents, int states, int actions,
    int start_count, int episodes) {
  GRID_STRIDE(k, agents) {
    long long size = (long long)states * actions;
    double* tables[2] = {q + k * size * (method == 3 ? 2 : 1), 0};
    tables[1] = method == 3 ? tables[0] + size : tables[0];
    int* counts = half > 0 ? visits + k * size : 0;
    double* second = method == 3 ? tables[1] : 0;
    for (int e = 0; e < episodes; e++) {
      unsigned long long key = chance_draw((unsigned long long)keys[k], (unsigned long long)(done + e + 1));
      double u = chance_unit(chance_draw(key, 0));
      int at = 0;
      while (at < start_count - 1 && u >= start_cumulative[at]) at++;
      int s = starts[at], outcome = 0;
      double eps = epsilon[e], total = 0;
      long long t = 0;
      int a = td_chosen(tables[0] + (long long)s * actions, second ? second + (long long)s * actions : 0,
                        choices[s], eps, key, 0, random_ties);
      while (t < horizon && outcome == 0) {
        long long pair = (long long)s * actions + a;
        unsigned long long bits = chance_draw(key, (unsigned long long)(3 * t + 2));
        u = chance_unit(bits);
        long long o = first[pair], last = first[pair + 1] - 1;
        while (o < last && u >= cumulative[o]) o++;
        int after = following[o];
        double reward = rewards[o];
        outcome = ends[o];
        int coin = method == 3 ? (int)(bits & 1) : 0;
        double* mine = tables[coin];
        double* yours = tables[1 - coin];
        long long row = (long long)after * actions;
        int a2 = 0;
        double ahead = 0;
        if (outcome == 0) {
          if (method == 1)
            a2 = td_chosen(tables[0] + row, 0, choices[after], eps, key, t + 1, random_ties);
          ahead = td_ahead(method, mine + row, yours + row, choices[after], eps, a2);
        }
        double rate = alpha[e];
        if (half > 0) rate = __dmul_rn(rate, half) / (half + counts[pair]++);
        double value = mine[pair];
        double error = __dadd_rn(__dadd_rn(reward, __dmul_rn(discount, ahead)), -value);
        mine[pair] = __dadd_rn(value, __dmul_rn(rate, error));
        total = __dadd_rn(total, reward);
        s = after;
        t++;
        a = a2;
        if (method != 1 && outcome == 0 && t < horizon)
          a = td_chosen(tables[0] + row, second ? second + row : 0, choices[s], eps, key, t, random_ties);
      }
      long long at_episode = k * episodes + e;
      returns[at_episode] = total;
      lengths[at_episode] = (int)t;
      outcomes[at_episode] = (unsigned char)outcome;
    }
  }
}
"""
)


def _td_episodes_gpu(
    launch: Any, q: Any, visits: Any, choices: Any, first: Any, following: Any, cumulative: Any, rewards: Any,
    ends: Any, starts: Any, start_cumulative: Any, keys: Any, done: int, epsilon: Any, alpha: Any, half:
    float, discount: float, horizon: int, method: int, random_ties: int, returns: Any, lengths: Any,
    outcomes: Any,
) -> None:  # fmt: skip
    agents, _, states, actions = q.shape
    launch(
        "td_episodes", agents if epsilon.size else 0, q, visits, choices, first, following, cumulative,
        rewards, ends, starts, start_cumulative, keys, done, epsilon, alpha, half, discount, horizon, method,
        random_ties, returns, lengths, outcomes, agents, states, actions, starts.size, epsilon.size, block=32,
    )  # fmt: skip


def _check(
    q: Any, visits: Any, choices: Any, first: Any, following: Any, cumulative: Any, rewards: Any, ends: Any,
    starts: Any, start_cumulative: Any, keys: Any, done: int, epsilon: Any, alpha: Any, half: float, discount:
    float, horizon: int, method: int, random_ties: int, returns: Any, lengths: Any, outcomes: Any,
) -> None:  # fmt: skip
    name, (agents, _, states, actions) = "td_episodes", checks.dimensions("td_episodes", "q", q, 4)
    episodes, outcomes_of = len(epsilon), len(following)
    for argument, array, shape, dtype in (
        ("q", q, (agents, 2 if method == DOUBLE_Q else 1, states, actions), np.float64),
        ("visits", visits, (agents if half > 0 else 0, states, actions), np.int32),
        ("choices", choices, (states,), np.int32),
        ("first", first, (states * actions + 1,), np.int64),
        ("following", following, (outcomes_of,), np.int32),
        ("cumulative", cumulative, (outcomes_of,), np.float64),
        ("rewards", rewards, (outcomes_of,), np.float64),
        ("ends", ends, (outcomes_of,), np.uint8),
        ("starts", starts, (len(starts),), np.int32),
        ("start_cumulative", start_cumulative, (len(starts),), np.float64),
        ("keys", keys, (agents,), np.int64),
        ("epsilon", epsilon, (episodes,), np.float64),
        ("alpha", alpha, (episodes,), np.float64),
        ("returns", returns, (agents, episodes), np.float64),
        ("lengths", lengths, (agents, episodes), np.int32),
        ("outcomes", outcomes, (agents, episodes), np.uint8),
    ):
        checks.shaped(name, argument, array, shape, dtype)
    if not 0 <= method <= DOUBLE_Q or horizon < 1 or not len(starts):
        raise ValueError(f"{name}: method {method}, horizon {horizon}, {len(starts)} starts")


td_episodes = kernel(
    "td_episodes", td_episodes_reference, cpu=td_episodes_lanes, cuda=CUDA, gpu=_td_episodes_gpu,
    check=_check, updates="q visits returns lengths outcomes", exact=True,
)  # fmt: skip
