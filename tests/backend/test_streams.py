"""Streams are functions of seed, name and position, and different where any of these differs."""

import numpy as np
import pytest

from dlkit.backend.streams import Streams


def draws(seed: int, name: str, *position: int) -> tuple[int, ...]:
    return tuple(Streams(seed).get(name, *position).integers(0, 2**63, 4).tolist())


def test_same_position_gives_same_draws() -> None:
    streams = Streams(7)
    first = streams.get("noise", 3, 14).standard_normal(5)
    streams.get("noise", 3, 15).standard_normal(1000)
    np.testing.assert_array_equal(first, streams.get("noise", 3, 14).standard_normal(5))


def test_seed_name_and_position_all_matter() -> None:
    places = [(), (0,), (0, 0), (1,), (0, 1), (1, 0), (2**40,)]
    seen = {draws(s, n, *p) for s in (0, 1, 2**33) for n in ("init", "noise", "順序") for p in places}
    assert len(seen) == 3 * 3 * len(places)


def test_known_draws() -> None:
    """What runs are repeated by must never change."""
    assert draws(1, "init", 0)[:2] == (1935968493995380943, 5283094301973855391)


def test_numpy_integers_and_python_integers_are_one() -> None:
    assert draws(1, "shuffle", 5) == tuple(
        Streams(int(np.int64(1))).get("shuffle", np.int64(5)).integers(0, 2**63, 4).tolist()  # type: ignore[arg-type]
    )


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        Streams(-1)
