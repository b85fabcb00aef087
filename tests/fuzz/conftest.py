"""What thousands of runs can do without."""

import os
from collections.abc import Iterator

import pytest

from dlkit.training import environment


@pytest.fixture(autouse=True, scope="session")
def _quick() -> Iterator[None]:
    """Nothing here is to survive a power cut, nor to know its git revision or the real data sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(environment, "git_revision", lambda: None)
        patch.delenv("DLKIT_DATA", raising=False)
        yield
