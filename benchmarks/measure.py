"""The timing loop inside a contender's process; standard library only, because peers run it too."""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any


def step_seconds(
    step: Callable[[], object], *, warm_up_s: float = 0.5, blocks: int = 5, block_s: float = 0.4
) -> dict[str, Any]:
    """Seconds a call of `step` takes: the median over blocks of calls, after a warm-up.

    The warm-up is at least three calls (compilation, first allocations) and `warm_up_s` seconds; it
    also sets how many calls make a block of about `block_s` seconds.
    """
    first = _seconds(step, 1)
    calls, spent = 0, 0.0
    while calls < 2 or spent < warm_up_s:
        spent += _seconds(step, 1)
        calls += 1
    per_block = max(1, round(block_s * calls / max(spent, 1e-9)))
    times = [_seconds(step, per_block) / per_block for _ in range(blocks)]
    return {
        "seconds": statistics.median(times),
        "fastest": min(times),
        "first_seconds": first,
        "blocks": times,
        "calls_a_block": per_block,
    }


def blocks(quick: bool) -> dict[str, float]:
    """How long is timed: arguments of step_seconds; quick: for sweeps over many sizes."""
    return {"warm_up_s": 0.2, "blocks": 3, "block_s": 0.15} if quick else {}


def _seconds(step: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return time.perf_counter() - start


def say(**figures: object) -> None:
    """One JSON line on stdout: what the harness reads."""
    print(json.dumps(figures), flush=True)
