"""Exponentials, log1p and a row's maximum in forms that vectorise (libm's scalar calls do not).

Range reduction after Cephes (Moshier 1989): x = k ln 2 + r with |r| <= ln(2)/2 and e^x = 2^k e^r, where ln 2
comes in two parts so that r keeps its digits. e^r: Cephes' minimax polynomial in float32, Taylor's in
float64. Within 2 ulp; results below the smallest normal number are 0; a NaN stays a NaN.

The public functions stand for NumPy's; compiled kernels get the private ones.
"""

import numpy as np

from dlkit.kernels.compile import variants

# Numba compiles these for scalars of one type; annotations would say nothing.
# mypy: disable-error-code="no-untyped-def"


def _polynomial_single(r):
    """e^r - 1 for |r| <= ln(2)/2."""
    real = np.float32
    p = real(1.9875691500e-4)
    p = p * r + real(1.3981999507e-3)
    p = p * r + real(8.3334519073e-3)
    p = p * r + real(4.1665795894e-2)
    p = p * r + real(1.6666665459e-1)
    p = p * r + real(5.0000001201e-1)
    return p * r * r + r


def _exp_single(x):
    real = np.float32
    k = np.floor(x * real(1.4426950408889634) + real(0.5))
    r = x - k * real(0.693359375)
    r = r - k * real(-2.12194440e-4)
    k = min(max(k, real(-200)), real(200)) if not np.isnan(k) else real(0)
    # 2^k in two factors: k = 128 overflows the exponent although e^x may be finite.
    half = np.int32(k) >> np.int32(1)
    rest = np.int32(k) - half
    a = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    b = np.int32((rest + np.int32(127)) << np.int32(23)).view(np.float32)
    y = (_polynomial_single(r) + real(1)) * a * b
    y = real(0) if x < real(-87.33654) else y
    return real(np.inf) if x > real(88.72284) else y


def _expm1_single(x):
    real = np.float32
    x = real(-30) if x < real(-30) else x  # -1 to the last digit from -17 on
    k = np.floor(x * real(1.4426950408889634) + real(0.5))
    r = x - k * real(0.693359375)
    r = r - k * real(-2.12194440e-4)
    k = k if not np.isnan(k) else real(0)
    s = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return s * _polynomial_single(r) + (s - real(1))


def _log1p_single(x):
    real = np.float32
    s = x / (x + real(2))
    z = s * s
    p = real(1 / 15)
    p = p * z + real(1 / 13)
    p = p * z + real(1 / 11)
    p = p * z + real(1 / 9)
    p = p * z + real(1 / 7)
    p = p * z + real(1 / 5)
    p = p * z + real(1 / 3)
    s2 = s + s
    return s2 + s2 * (z * p)


def _polynomial_double(r):
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 0.0001984126984126984
    p = p * r + 0.001388888888888889
    p = p * r + 0.008333333333333333
    p = p * r + 0.041666666666666664
    p = p * r + 0.16666666666666666
    p = p * r + 0.5
    return p * r * r + r


def _exp_double(x):
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1
    r = r - k * 1.42860682030941723212e-6
    k = min(max(k, -1500.0), 1500.0) if not np.isnan(k) else 0.0
    half = np.int64(k) >> np.int64(1)
    rest = np.int64(k) - half
    a = np.int64((half + np.int64(1023)) << np.int64(52)).view(np.float64)
    b = np.int64((rest + np.int64(1023)) << np.int64(52)).view(np.float64)
    y = (_polynomial_double(r) + 1.0) * a * b
    y = 0.0 if x < -708.3964185322641 else y
    return np.inf if x > 709.782712893384 else y


def _expm1_double(x):
    x = -60.0 if x < -60.0 else x
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1
    r = r - k * 1.42860682030941723212e-6
    k = k if not np.isnan(k) else 0.0
    s = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return s * _polynomial_double(r) + (s - 1.0)


def _log1p_double(x):
    s = x / (x + 2.0)
    z = s * s
    p = 1 / 33
    p = p * z + 1 / 31
    p = p * z + 1 / 29
    p = p * z + 1 / 27
    p = p * z + 1 / 25
    p = p * z + 1 / 23
    p = p * z + 1 / 21
    p = p * z + 1 / 19
    p = p * z + 1 / 17
    p = p * z + 1 / 15
    p = p * z + 1 / 13
    p = p * z + 1 / 11
    p = p * z + 1 / 9
    p = p * z + 1 / 7
    p = p * z + 1 / 5
    p = p * z + 1 / 3
    s2 = s + s
    return s2 + s2 * (z * p)


@variants(float32=_exp_single, float64=_exp_double)
def exponential(x):
    """e^x, any x."""
    return np.exp(x)


@variants(float32=_expm1_single, float64=_expm1_double)
def exponential_minus_one(x):
    """e^x - 1 for x <= 0, exact to the last digits near 0."""
    return np.expm1(x)


@variants(float32=_log1p_single, float64=_log1p_double)
def log_one_plus(x):
    """ln(1 + x) for 0 <= x <= 1: 2 artanh(x / (2 + x)) by its series."""
    return np.log1p(x)


# A maximum of floats that minds NaN is a chain of comparisons. Integers have no NaN: a float's bits, with
# those of negative numbers flipped, are ordered as the floats are.
def _largest_single(x):
    bits = x.view(np.int32)
    top = np.int32(-(2**31))
    for i in range(bits.size):
        key = np.int32(bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        top = key if key > top else top
    return np.int32(top ^ ((top >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


def _largest_double(x):
    bits = x.view(np.int64)
    top = np.int64(-(2**63))
    for i in range(bits.size):
        key = bits[i] ^ ((bits[i] >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))
        top = key if key > top else top
    return np.int64(top ^ ((top >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))).view(np.float64)


@variants(float32=_largest_single, float64=_largest_double)
def largest(x):
    """The largest entry of a contiguous (n,), n >= 1; with a NaN among them, that or the largest other."""
    return np.max(x)
