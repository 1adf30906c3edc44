"""BSPM: interactions blurred by the item graph and sharpened again by an ordinary differential equation."""

from __future__ import annotations

import torch
from numpy.polynomial import Chebyshev, Polynomial

from graphrec.data.interactions import Interactions
from graphrec.models.parts.checks import check_at_least, check_one_of
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.polynomial_filter import PolynomialFilter

__all__ = ["BSPM"]

# exp(−z) to the order of each method: what one step of y' = −yP multiplies by, with z = h λ.
_STEP: dict[str, list[float]] = {"euler": [1, -1], "rk4": [1, -1, 1 / 2, -1 / 6, 1 / 24]}


class BSPM(PolynomialFilter):
    """Blurring-sharpening process model (Choi et al., SIGIR 2023, BSPM-EM as in the authors' code).

    With P = R̃ᵀR̃, R̃ = D_U^-½ R D_I^-½ and its leading right singular vectors V,

        y(0) = x_u (P + w D_I^-½ V Vᵀ D_I^½),    y' = −y P for a time T,

    and the score is y(T), or the mean of it and of x_u P.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    ideal : float
        w, the weight of the ideal low-pass filter; 0 leaves it out.
    rank : int
        Number of frequencies that pass it; as many as there are if that is less.
    solver : {"euler", "rk4"}
        One step of the sharpening is Euler's or the classical one of Runge and Kutta.
    time : float
        T; 0 does not sharpen.
    steps : int
        Number of equal steps to it.
    final : {"sharpened", "mean"}
        What is scored; "mean" is of the sharpened signal and the blurred one without the ideal filter.
    effort : int
        Of the decomposition; see :func:`graphrec.models.parts.truncated_svd.truncated_svd`.

    Notes
    -----
    The defaults are the authors' settings for Gowalla. Everything is linear: each step is a polynomial of P, and the ideal
    filter is multiplied by them once, when the model is solved.
    """

    idle = (
        Idle("rank", "effort", ideal=0),
        Idle("solver", "steps", time=0),
        Idle("final", time=0, ideal=0),
    )

    def __init__(
        self,
        train: Interactions,
        *,
        ideal: float = 0.2,
        rank: int = 448,
        solver: str = "rk4",
        time: float = 2.5,
        steps: int = 1,
        final: str = "sharpened",
        effort: int = 4,
    ) -> None:
        check_at_least("ideal", ideal, 0)
        check_at_least("rank", rank, 1)
        check_one_of("solver", solver, tuple(_STEP))
        check_at_least("time", time, 0)
        check_at_least("steps", steps, 1)
        check_one_of("final", final, ("sharpened", "mean"))
        check_at_least("effort", effort, 2)
        super().__init__(train)
        self.ideal, self.solver, self.time, self.steps, self.final, self.effort = ideal, solver, time, steps, final, effort
        self.rank = min(rank, self.n_users, self.n_items) if ideal else 0

    def solve(self) -> None:
        """Form the polynomials of the process, and sharpen the ideal filter."""
        blur, h = Polynomial([0, 1]), self.time / self.steps
        sharpening = Polynomial([c * h**k for k, c in enumerate(_STEP[self.solver])]) ** self.steps
        whole, share = blur * sharpening, 1.0
        if self.final == "mean":
            whole, share = (whole + blur) / 2, 0.5
        values, v = self.leading(self.rank, self.effort)
        root = torch.from_numpy(self.degrees()[1] ** 0.5).float().unsqueeze(1)
        # VᵀD_I^½ s(P), by the recurrence that serves people, too.
        self.store(_over_unit(sharpening), v[:, :0], v[:, :0])
        right = self._polynomial((v * root).to(self.scale.device)).cpu() if len(values) else v
        self.store(_over_unit(whole), v / root, self.ideal * share * right)


def _over_unit(polynomial: Polynomial) -> Chebyshev:
    """The same polynomial as a series on [0, 1]."""
    return Chebyshev.interpolate(polynomial, max(polynomial.degree(), 1), domain=[0, 1])
