"""Run the kernels' tests on the CPU under AddressSanitizer and UBSan: python tests/cuda_on_cpu/sanitize.py

The interpreter must have AddressSanitizer's run time before anything else, hence a process of its own.
The first error ends the run with the sanitizer's report; its lines are those of the CUDA source (kernel.cu).
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNTIMES = ("libasan.so", "libubsan.so", "libstdc++.so")


def _runtime(name: str) -> str | None:
    """The library's path, None where the compiler does not have it."""
    try:
        command = ["g++", f"-print-file-name={name}"]
        path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return path if Path(path).is_absolute() else None


def environment() -> dict[str, str]:
    """This process's environment with the sanitizers. Raises RuntimeError where they are not installed."""
    found = {name: _runtime(name) for name in RUNTIMES}
    if missing := [name for name, path in found.items() if path is None]:
        raise RuntimeError(f"g++ with {', '.join(missing)} is not installed")
    return os.environ | {
        "LD_PRELOAD": " ".join(path for path in found.values() if path),
        # Python frees little at its end; what a kernel leaks would be the host's, not the kernel's.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "DLKIT_CUDA_SANITIZE": "1",
    }


def main(arguments: list[str]) -> int:
    """Run pytest on this folder with the sanitizers; its exit code."""
    try:
        sanitized = environment()
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE), *arguments]
    return subprocess.run(command, env=sanitized, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
