"""Streams, events, devices and copies. A copy that need not be finished yet brings nothing yet.

An asynchronous copy to pinned memory fills its target with poison and delivers when the host waits for the
stream; an asynchronous copy from pinned memory complains then if the host has changed the source meanwhile.
"""

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from cupy_stand_in import memory
from cupy_stand_in.counts import counts

DEVICES = 1
COMPUTE_CAPABILITY = "80"


class CUDARuntimeError(RuntimeError):
    """CuPy's error of a failed call of the CUDA runtime."""


class Event:
    """A mark in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self._stream: Stream | None = None
        self._position = 0

    def record(self, stream: "Stream | None" = None) -> None:
        self._stream = stream or get_current_stream()
        self._position = self._stream.position

    def synchronize(self) -> None:
        counts.sync("event")
        if self._stream is not None:
            self._stream.deliver(self._position)

    @property
    def done(self) -> bool:
        counts.sync("event query")
        return self._stream is None or self._stream.delivered >= self._position


class Stream:
    """A queue of copies; everything else is done at once, in the order it was asked for."""

    null: "Stream"

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        *,
        priority: int | None = None,
    ):
        self.is_non_blocking = non_blocking
        self.position = self.delivered = 0
        self._pending: list[tuple[int, Callable[[], None]]] = []

    def later(self, act: Callable[[], None]) -> None:
        """Do `act` when the host next waits for this stream."""
        self.position += 1
        self._pending.append((self.position, act))

    def deliver(self, position: int) -> None:
        """Do what was asked for up to `position`."""
        self.delivered = max(self.delivered, position)
        while self._pending and self._pending[0][0] <= position:
            self._pending.pop(0)[1]()

    def synchronize(self) -> None:
        counts.sync("stream")
        self.deliver(self.position)

    @property
    def done(self) -> bool:
        counts.sync("stream query")
        return not self._pending

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """The device waits, not the host; here everything is in order already."""

    def use(self) -> "Stream":
        _current[-1] = self
        return self

    def __enter__(self) -> "Stream":
        _current.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _current.pop()


Stream.null = Stream(null=True)
_current = [Stream.null]
_all_streams = [Stream.null]


def get_current_stream(device_id: int = -1) -> Stream:
    return _current[-1]


def _check_device(device: int) -> int:
    if not 0 <= device < DEVICES:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    return device


class Device:
    """The one device."""

    def __init__(self, device: "int | Device | None" = None):
        self.id = _check_device(device.id if isinstance(device, Device) else int(device or 0))

    def use(self) -> None:
        """There is one only."""

    def synchronize(self) -> None:
        counts.sync("device")
        for stream in {id(s): s for s in (*_current, Stream.null)}.values():
            stream.deliver(stream.position)

    @property
    def compute_capability(self) -> str:
        return COMPUTE_CAPABILITY

    @property
    def mem_info(self) -> tuple[int, int]:
        return memory.DEVICE_BYTES - memory.pool.total_bytes(), memory.DEVICE_BYTES

    @property
    def attributes(self) -> dict[str, int]:
        return {"MultiProcessorCount": 4, "MaxThreadsPerBlock": 1024, "WarpSize": 32}

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __int__(self) -> int:
        return self.id


def copy_to_host(source: np.ndarray, stream: Any, order: str, out: Any, blocking: bool) -> np.ndarray:
    """ndarray.get: the host waits, unless the target is pinned and `blocking` is off."""
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
        if out.dtype != source.dtype or out.shape != source.shape:
            raise TypeError(
                f"{source.dtype}{source.shape} array cannot be obtained to {out.dtype}{out.shape}"
            )
        if not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise RuntimeError("out must be C- or F-contiguous")
    target = np.empty(source.shape, source.dtype) if out is None else out
    if blocking:
        counts.sync("copy to the host")
        (stream or get_current_stream()).deliver((stream or get_current_stream()).position)
        target[...] = source
        return target
    if out is None or not memory.is_pinned(out):
        raise RuntimeError(
            "strict: a copy that does not block needs a pinned target, else it blocks all the same"
        )
    value = source.copy()
    with contextlib.suppress(ValueError):  # NaN where the type has one, else the smallest value
        out.fill(np.nan if out.dtype.kind == "f" else np.iinfo(out.dtype).min)

    def arrive() -> None:
        out[...] = value

    (stream or get_current_stream()).later(arrive)
    return out


def copy_from_host(target: np.ndarray, source: np.ndarray, stream: Any) -> None:
    """ndarray.set: from pinned memory the copy goes on while the host does other things."""
    counts.uploads += 1
    target[...] = source
    if not memory.is_pinned(source):
        return
    before = zlib.crc32(np.ascontiguousarray(source).tobytes())

    def compare() -> None:
        if zlib.crc32(np.ascontiguousarray(source).tobytes()) != before:
            raise RuntimeError(
                "strict: a pinned array was changed before its copy to the device had finished"
            )

    (stream or get_current_stream()).later(compare)
