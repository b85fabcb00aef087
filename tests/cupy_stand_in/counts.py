"""What the host asked of the device: how often it waited and where, what it sent, what it launched."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

OURS = frozenset(
    str(path) for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")
)


@dataclass
class Counts:
    """syncs: the host waited for the device; uploads: arrays copied to it; launches: of CUDA kernels."""

    syncs: int = 0
    uploads: int = 0
    launches: int = 0
    kernels: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    def sync(self, why: str) -> None:
        """The host waits: for a value, a size or the end of a stream."""
        self.syncs += 1
        self.waits[f"{why} at {_caller()}"] += 1

    def launch(self, kernel: str) -> None:
        """A kernel of CUDA source was launched."""
        self.launches += 1
        self.kernels[kernel] += 1

    def reset(self) -> None:
        """Start from nothing."""
        self.syncs = self.uploads = self.launches = 0
        self.kernels.clear()
        self.waits.clear()


def _caller() -> str:
    """`file:line` of the first frame outside the stand-in."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in OURS:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


counts = Counts()
