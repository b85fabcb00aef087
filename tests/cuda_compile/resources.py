"""List what each CUDA kernel needs: python tests/cuda_compile/resources.py [float32|float64] [sm_80 ...]"""

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cuda_compile.nvrtc import ARCHITECTURES, compile_for, missing_nvrtc
from cuda_compile.sources import DTYPES, SOURCES, source_of


def main(arguments: list[str]) -> int:
    """Print one line for each kernel, dtype and architecture asked for."""
    if problem := missing_nvrtc():
        print(f"error: {problem}", file=sys.stderr)
        return 1
    dtypes = [a for a in arguments if a in DTYPES] or ["float32"]
    architectures = [a for a in arguments if a.startswith("sm_")] or [ARCHITECTURES[0], ARCHITECTURES[-1]]
    print(f"{'function':32} {'dtype':8} {'for':6} {'registers':>9} {'spilled':>9} {'stack':>8} {'shared':>8}")
    for kernel in SOURCES:
        for dtype in dtypes:
            for architecture in architectures:
                for name, need in sorted(compile_for(source_of(kernel, dtype), architecture).items()):
                    print(
                        f"{name:32} {dtype:8} {architecture:6} {need.registers:9} {need.spilled:9} "
                        f"{need.stack:8} {need.shared:8}"
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
