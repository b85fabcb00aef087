"""What generator and discriminator minimise, from the discriminator's outputs d, before any sigmoid.

non_saturating (Goodfellow et al. 2014, section 3):   L_D = -1/2 E log s(d(x)) - 1/2 E log(1 - s(d(G(z))))
                                                      L_G = -E log s(d(G(z)))
minimax (the same, eq. 1):  L_D as above,             L_G = E log(1 - s(d(G(z))))
least_squares (Mao et al. 2017, eq. 2, a = 0, b = c = 1):
                            L_D = 1/2 E (d(x) - 1)^2 + 1/2 E d(G(z))^2,   L_G = 1/2 E (d(G(z)) - 1)^2

s is the sigmoid: D(x) = s(d(x)). With the cross-entropies V(D, G) = -2 L_D; where the generator has learnt
the data and the discriminator has learnt all it can, D = 1/2, V = -log 4 and L_D = log 2 (least squares:
1/4).
"""

from collections.abc import Callable
from typing import NamedTuple

from dlkit.autograd import Array, Tape, Variable
from dlkit.ops.losses import sigmoid_cross_entropy, squared_error

RowLoss = Callable[[Tape, Variable, Array, float], tuple[Variable, Array]]


class GanLoss(NamedTuple):
    """One of the games. All arrays are (n, 1); `weight` is 1/(rows of the whole batch)."""

    row_loss: RowLoss
    """Loss of an output against its target."""
    share: float
    """Factor of D's two halves: 1/2 for a mean of both, 1 where the loss has the 1/2 itself."""
    goal: float
    """Target that the generator's loss compares with."""
    sign: float
    """-1: the generator goes away from its goal, as in the minimax game."""
    boundary: float
    """An output above it says: real."""

    def discriminator(
        self, tape: Tape, outputs: Variable, targets: Array, weight: float
    ) -> tuple[Variable, Array]:
        """L_D over real and fake rows. targets: 1 (or less, smoothed) for real rows, 0 for fake ones.

        Returns (loss, the rows' losses (n,), to be multiplied by `share`).
        """
        return self.row_loss(tape, outputs, targets, weight * self.share)

    def generator(
        self, tape: Tape, outputs: Variable, targets: Array, weight: float
    ) -> tuple[Variable, Array]:
        """L_G over fake rows. targets: all `goal`. Returns (loss, the rows' losses (n,), without `sign`)."""
        return self.row_loss(tape, outputs, targets, weight * self.sign)

    def takes_for_real(self, outputs: Array) -> Array:
        """(n, 1) whether D takes each row for a real one."""
        return outputs > self.boundary


LOSSES = {
    "non_saturating": GanLoss(sigmoid_cross_entropy, share=0.5, goal=1.0, sign=1.0, boundary=0.0),
    "minimax": GanLoss(sigmoid_cross_entropy, share=0.5, goal=0.0, sign=-1.0, boundary=0.0),
    "least_squares": GanLoss(squared_error, share=1.0, goal=1.0, sign=1.0, boundary=0.5),
}
