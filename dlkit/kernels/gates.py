"""Rows of gates for the CPU versions of recurrent steps: each a function of its own.

In one long function LLVM neither inlines the exponentials nor proves that so many arrays lie apart, and no
loop is vectorised: an LSTM's step took twenty times as long. For the same reason a row that is changed in
place is one argument, never two.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from dlkit.kernels.exponential import exponential, exponential_minus_one


def sigmoid_row(y):
    """y = sigma(y)."""
    one = y.dtype.type(1)
    for j in range(y.size):
        y[j] = one / (one + exponential(-y[j]))


def tanh_row(y):
    """y = tanh(y)."""
    two, zero = y.dtype.type(2), y.dtype.type(0)
    for j in range(y.size):
        t = exponential_minus_one(-two * abs(y[j]))
        t = t / (t + two)
        y[j] = t if y[j] < zero else -t


def total_row(a, b, c, y):
    """y = a + b + c."""
    for j in range(y.size):
        y[j] = a[j] + b[j] + c[j]


def sum_row(a, b, y):
    """y += a + b."""
    for j in range(y.size):
        y[j] += a[j] + b[j]


def copy_row(a, y):
    """y = a."""
    for j in range(y.size):
        y[j] = a[j]


def clear_row(y):
    """y = 0."""
    zero = y.dtype.type(0)
    for j in range(y.size):
        y[j] = zero
