"""Named host random streams: the same draws on every device, thread count and resume."""

from zlib import crc32

import numpy as np


class Streams:
    """All randomness of a run, derived from one seed.

    A stream is a pure function of (seed, name, position), where the position is whatever counts the
    draws of that name: ``(epoch,)``, ``(epoch, step)``, ``(epoch, step, shard)``. Nothing is drawn from a
    generator that outlives its position, so a checkpoint needs no generator state: the position is the state.
    Draws happen on the host, so CPU and GPU see the same numbers.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.seed = int(seed)

    def get(self, name: str, *position: int) -> np.random.Generator:
        """A fresh generator at the start of stream `name` for `position` (integers from 0).

        SeedSequence pads short entropy with zeros, so ``[s, n]`` and ``[s, n, 0]`` would be one stream;
        a spawn key is mixed in after the padding and keeps ``()``, ``(0,)`` and ``(0, 0)`` apart.
        """
        entropy = [self.seed, crc32(name.encode())]
        sequence = np.random.SeedSequence(entropy, spawn_key=tuple(int(p) for p in position))
        return np.random.Generator(np.random.PCG64DXSM(sequence))
