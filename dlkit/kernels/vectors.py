"""Vectors of numbers in loops that numba compiles: what dlkit.backend.vectors has, by name.

A loop that is written in them has its order of operations from its text, not from a compiler.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from dlkit.kernels.compile import elsewhere


@elsewhere("dlkit.backend.vectors")
def lanes(table):
    """How many numbers of a table's type a vector holds."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def load(table, row, at):
    """table[row, at : at + lanes]."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def store(table, row, at, x):
    """table[row, at : at + lanes] = x."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def fetch(table, row, at):
    """table[row, at] will be wanted soon."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def every(value):
    """A vector of one number again and again."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def muladd(x, y, z):
    """x y + z."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def plus(x, y):
    """x + y."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def times(x, y):
    """x y."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def within(x, most):
    """x, or most or -most where it is beyond."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def logistic(u):
    """(sigma(-u), ln(1 + e^-u))."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def totals(x0, x1, x2, x3, x4, x5):
    """A vector that begins with their sums."""
    raise NotImplementedError
