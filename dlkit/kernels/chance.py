"""Uniform draws that are a function of their position: SplitMix64 (Steele, Lea & Flood 2014) as a counter.

Draw n of key k is mix(k + n g), g = 0x9E3779B97F4A7C15, mix the two multiplications and three shifts of
SplitMix64's output function. It has no state: whoever knows key and number has the draw, in any order and on
any device. The same function stands in the kernels that draw for themselves, in numba and in CUDA.
"""

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
TO_UNIT = 2.0**-53


def draw(key: int, number: int) -> int:
    """64 random bits; key: 64 bits, number: 0 to 2**64."""
    z = (key + number * GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * FIRST) & _MASK
    z = ((z ^ (z >> 27)) * SECOND) & _MASK
    return z ^ (z >> 31)


def unit(bits: int) -> float:
    """A number in [0, 1) of the upper 53 bits."""
    return (bits >> 11) * TO_UNIT


def upper_unit(bits: int) -> float:
    """A number in [0, 1) of the upper 32 bits."""
    return (bits >> 32) * 2.0**-32


def lower_below(bits: int, n: int) -> int:
    """A whole number in [0, n) of the lower 32 bits."""
    return ((bits & 0xFFFFFFFF) * n) >> 32


def compiled_draw(key, number):  # type: ignore[no-untyped-def]
    """`draw` for loops that numba compiles, and for arrays; key, number: uint64."""
    return mixed(key + number * np.uint64(GOLDEN))


def mixed(z):  # type: ignore[no-untyped-def]
    """SplitMix64's output function, the same; z: uint64, key + number * GOLDEN."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))


CUDA = r"""
__device__ __forceinline__ unsigned long long chance_draw(unsigned long long key, unsigned long long number) {
  unsigned long long z = key + number * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}
__device__ __forceinline__ double chance_unit(unsigned long long bits) {
  return (double)(bits >> 11) * 1.1102230246251565e-16;
}
__device__ __forceinline__ double chance_upper_unit(unsigned long long bits) {
  return (double)(bits >> 32) * 2.3283064365386963e-10;
}
__device__ __forceinline__ int chance_lower_below(unsigned long long bits, int n) {
  return (int)(((bits & 0xFFFFFFFFULL) * (unsigned long long)n) >> 32);
}
"""
