"""Batches from the host to the device, the next one on its way while the current one is computed with."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dlkit.backend import Backend

Batch = tuple[Any, ...]


class Feeder:
    """Uploads batches (tuples of NumPy arrays) one ahead, through pinned memory, on a stream of its own.

    On the CPU a batch is handed on as it is. On the GPU the arrays handed out are valid until the next
    batch is asked for; types are kept. Buffers are reused, and grow with the largest batch.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        if backend.name == "gpu":
            self._stream = backend.xp.cuda.Stream(non_blocking=True)
            self._slots = [_Slot(backend.xp), _Slot(backend.xp)]

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, in the same order, on the device."""
        if self._backend.name == "cpu":
            yield from batches
            return
        waiting: tuple[_Slot, Batch] | None = None
        for i, batch in enumerate(batches):
            slot = self._slots[i % 2]
            uploading = slot, slot.upload(batch, self._stream)
            if waiting:
                yield from self._hand_out(*waiting)
            waiting = uploading
        if waiting:
            yield from self._hand_out(*waiting)

    def _hand_out(self, slot: "_Slot", arrays: Batch) -> Iterator[Batch]:
        compute = self._backend.xp.cuda.get_current_stream()
        compute.wait_event(slot.uploaded)
        try:
            yield arrays
        finally:
            slot.used.record(compute)  # what was queued with the batch comes before this mark


class _Slot:
    """One of the two sets of buffers: pinned on the host, and their copies on the device."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self.uploaded = xp.cuda.Event(disable_timing=True)
        self.used = xp.cuda.Event(disable_timing=True)
        self._buffers: list[tuple[np.ndarray, Any]] = []

    def upload(self, batch: Batch, stream: Any) -> Batch:
        """Start copying; `uploaded` marks the end on the device's clock."""
        self.uploaded.synchronize()  # the host must not write pinned memory that is still being read
        stream.wait_event(self.used)
        arrays = []
        for i, array in enumerate(batch):
            pinned, device = self._buffer(i, array, stream)
            np.copyto(pinned, array)
            device.set(pinned, stream=stream)
            arrays.append(device)
        self.uploaded.record(stream)
        return tuple(arrays)

    def _buffer(self, i: int, array: np.ndarray, stream: Any) -> tuple[np.ndarray, Any]:
        """Views of the i-th buffers in the array's shape and type."""
        if i == len(self._buffers):
            self._buffers.append(self._allocate(0, stream))
        if self._buffers[i][0].size < array.nbytes:
            self._buffers[i] = self._allocate(array.nbytes, stream)
        pinned, device = (b[: array.nbytes].view(array.dtype).reshape(array.shape) for b in self._buffers[i])
        return pinned, device

    def _allocate(self, size: int, stream: Any) -> tuple[np.ndarray, Any]:
        import cupyx

        pinned, device = cupyx.empty_pinned(size, np.uint8), self._xp.empty(size, np.uint8)
        # The pool may hand out memory that queued work still reads; our stream knows nothing of it.
        stream.wait_event(self._xp.cuda.get_current_stream().record())
        return pinned, device
