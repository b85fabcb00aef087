"""The peers of the qlearn row: ``python -m benchmarks.qlearn_gymnasium EPISODES LOOP``.

Q-learning with a NumPy table over Gymnasium's FrozenLake 8x8, in a Python loop. LOOP is `tutorial`: as
tutorials have it, with NumPy's random numbers and Gymnasium's sampled actions; or `tuned`: as fast as such a
loop goes, with Python's own random numbers and the arrays' methods. Neither has a wrapper that is not the
environment's.
"""

import random
import sys
import time
from typing import Any

import gymnasium
import numpy as np

from benchmarks.measure import say

ALPHA, GAMMA = 0.1, 0.99


def tutorial(env: Any, q: np.ndarray, episodes: int) -> int:
    """Returns the steps played."""
    steps = 0
    for episode in range(episodes):
        epsilon = 1.0 - 0.9 * episode / episodes
        s, _ = env.reset()
        over = False
        while not over:
            a = env.action_space.sample() if np.random.uniform(0, 1) < epsilon else np.argmax(q[s])
            after, reward, ended, cut, _ = env.step(a)
            ahead = 0.0 if ended else np.max(q[after])
            q[s, a] = q[s, a] + ALPHA * (reward + GAMMA * ahead - q[s, a])
            s, over = after, ended or cut
            steps += 1
    return steps


def tuned(env: Any, q: np.ndarray, episodes: int) -> int:
    """Returns the steps played."""
    steps, actions = 0, int(env.action_space.n)
    for episode in range(episodes):
        epsilon = 1.0 - 0.9 * episode / episodes
        s, _ = env.reset()
        over = False
        while not over:
            explore = random.random() < epsilon
            a = random.randrange(actions) if explore else int(q[s].argmax())
            after, reward, ended, cut, _ = env.step(a)
            ahead = 0.0 if ended else q[after].max()
            q[s, a] += ALPHA * (reward + GAMMA * ahead - q[s, a])
            s, over = after, ended or cut
            steps += 1
    return steps


def main() -> None:
    episodes, loop = int(sys.argv[1]), {"tutorial": tutorial, "tuned": tuned}[sys.argv[2]]
    env = gymnasium.make("FrozenLake8x8-v1")
    q = np.zeros((env.observation_space.n, env.action_space.n))
    random.seed(1)
    np.random.seed(1)
    env.reset(seed=1)
    env.action_space.seed(1)
    start = time.perf_counter()
    steps = loop(env, q, episodes)
    seconds = time.perf_counter() - start
    say(
        seconds_a_step=seconds / steps,
        steps=steps,
        train_seconds=seconds,
        versions={"gymnasium": gymnasium.__version__},
    )


if __name__ == "__main__":
    main()
