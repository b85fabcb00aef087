"""The peer of the qlearn row: ``python -m benchmarks.qlearn_gymnasium EPISODES``.

The loop that tutorials show: Q-learning with a NumPy table over Gymnasium's FrozenLake 8x8, as fast as such a
loop goes, with Python's own random numbers and no wrapper that is not the environment's.
"""

import random
import sys
import time

import gymnasium
import numpy as np

from benchmarks.measure import say


def main() -> None:
    episodes = int(sys.argv[1])
    env = gymnasium.make("FrozenLake8x8-v1")
    q = np.zeros((env.observation_space.n, env.action_space.n))
    actions, alpha, gamma = int(env.action_space.n), 0.1, 0.99
    random.seed(1)
    env.reset(seed=1)
    steps, goals = 0, 0.0
    start = time.perf_counter()
    for episode in range(episodes):
        epsilon = 1.0 - 0.9 * episode / episodes
        s, _ = env.reset()
        over = False
        while not over:
            explore = random.random() < epsilon
            a = random.randrange(actions) if explore else int(q[s].argmax())
            after, reward, ended, cut, _ = env.step(a)
            ahead = 0.0 if ended else q[after].max()
            q[s, a] += alpha * (reward + gamma * ahead - q[s, a])
            s, over = after, ended or cut
            steps += 1
            goals += reward
    seconds = time.perf_counter() - start
    say(
        seconds_a_step=seconds / steps,
        steps=steps,
        train_seconds=seconds,
        versions={"gymnasium": gymnasium.__version__},
    )


if __name__ == "__main__":
    main()
