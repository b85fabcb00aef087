"""The modules cupy.cuda and cupy.cuda.*: one device that is always there."""

from types import ModuleType
from typing import Any

import numpy as np
from cupy_stand_in import memory, streams
from cupy_stand_in.manifest import missing
from cupy_stand_in.raw import CompileException

DRIVER, RUNTIME, NVRTC = 12080, 12090, (12, 9)
"""Versions that the pretended driver and toolkit tell."""


class StandIn(ModuleType):
    """A module that tells a name CuPy lacks from one that only the stand-in lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing(self.__name__, name)


def _device_properties(device: int) -> dict[str, Any]:
    streams._check_device(device)
    return {"name": b"stand-in", "totalGlobalMem": memory.DEVICE_BYTES, "major": 8, "minor": 0,
            "multiProcessorCount": 4, "warpSize": 32, "maxThreadsPerBlock": 1024}  # fmt: skip


def module_of(name: str, **names: Any) -> StandIn:
    made = StandIn(name)
    for key, value in names.items():
        setattr(made, key, value)
    return made


def build_cuda() -> StandIn:
    runtime = module_of(
        "cupy.cuda.runtime",
        CUDARuntimeError=streams.CUDARuntimeError,
        getDeviceCount=lambda: streams.DEVICES,
        getDevice=lambda: 0,
        setDevice=streams._check_device,
        driverGetVersion=lambda: DRIVER,
        runtimeGetVersion=lambda: RUNTIME,
        getDeviceProperties=_device_properties,
        memGetInfo=lambda: streams.Device(0).mem_info,
        deviceSynchronize=lambda: streams.Device(0).synchronize(),
    )
    return module_of(
        "cupy.cuda",
        runtime=runtime,
        nvrtc=module_of("cupy.cuda.nvrtc", getVersion=lambda: NVRTC),
        compiler=module_of("cupy.cuda.compiler", CompileException=CompileException),
        memory=module_of(
            "cupy.cuda.memory", OutOfMemoryError=memory.OutOfMemoryError, MemoryPool=memory.MemoryPool
        ),
        is_available=lambda: True,
        Device=streams.Device,
        Stream=streams.Stream,
        Event=streams.Event,
        MemoryPool=memory.MemoryPool,
        get_current_stream=streams.get_current_stream,
        get_device_id=lambda: 0,
        get_local_runtime_version=lambda: RUNTIME,
        alloc_pinned_memory=lambda size: memory.pinned(size, np.uint8),
    )
