"""ChebyCF: a low-pass filter of items by Chebyshev interpolation, and an ideal one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from numpy.polynomial import Chebyshev

from graphrec.data.interactions import Interactions
from graphrec.models.parts.checks import check_at_least, check_one_of
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.polynomial_filter import PolynomialFilter, as_good_below

__all__ = ["ChebyCF"]


class ChebyCF(PolynomialFilter):
    """Graph spectral filtering with Chebyshev interpolation (Kim et al., SIGIR 2025, as in the authors' code).

    With R̃ = D_U^-½ R D_I^-½, its leading right singular vectors V and the Laplacian L̃ = 1 − 2 R̃ᵀR̃,

        s_u = x_u D_I^-β (Σ_k c_k T_k(L̃) + α V Vᵀ) D_I^β,

    where the series of degree K stands for the plateau h(t) = ½ − ½ t^φ for t ≥ 0 and ½ + ½ (−t)^φ for t < 0.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    degree : int
        K.
    phi : float
        φ: how flat the plateau is.
    alpha : float
        Weight of the ideal filter. 0 leaves the series alone.
    rank : int
        Number of frequencies that pass it; as many as there are if that is less. 0 leaves the series alone.
    beta : float
        Power of the items' degrees around the filter: above 0 it favours popular items.
    interpolation : {"code", "exact"}
        "code" takes the target, rounded to three decimals, at the nodes cos((K − j) π / K) of one grid for the coefficients
        of another, as the authors' code does; "exact" takes the target at the nodes of its own grid, as the paper says.
    effort : int
        Of the decomposition; see :func:`graphrec.models.parts.truncated_svd.truncated_svd`.

    Notes
    -----
    The defaults are the authors' settings for Gowalla.
    """

    idle = (Idle("alpha", "effort", rank=0), Idle("rank", "effort", alpha=0))

    def __init__(
        self,
        train: Interactions,
        *,
        degree: int = 8,
        phi: float = 1.5,
        alpha: float = 0.2,
        rank: int = 512,
        beta: float = 0.4,
        interpolation: str = "code",
        effort: int = 4,
    ) -> None:
        check_at_least("degree", degree, 1)
        check_at_least("phi", phi, 0)
        check_at_least("alpha", alpha, 0)
        check_at_least("rank", rank, 0)
        check_at_least("effort", effort, 2)
        check_one_of("interpolation", interpolation, ("code", "exact"))
        super().__init__(train, beta)
        self.degree, self.phi, self.alpha, self.beta = degree, phi, alpha, beta
        self.rank = min(rank, self.n_users, self.n_items) if alpha else 0
        self.interpolation, self.effort = interpolation, effort

    def solve(self) -> None:
        """Interpolate the plateau, and decompose the normalised interactions for the ideal filter."""
        # T_k(1 − 2λ) = (−1)^k T_k(2λ − 1): a series in L̃ is one in the eigenvalues λ of R̃ᵀR̃, over [0, 1].
        signs = (-1.0) ** np.arange(self.degree + 1)
        series = Chebyshev(self._series() * signs, domain=[0, 1])
        values, v = self.leading(self.rank, self.effort)
        # Along V the series is a number for each vector; for the rest, with small λ, a lower degree does: fewer products.
        rest = as_good_below(series, float(values[-1]) if len(values) else 1.0)
        gain = torch.from_numpy(series(values.double().numpy()) - rest(values.double().numpy())).float() + self.alpha
        scale = self.scale.cpu().unsqueeze(1)
        self.store(rest, v / scale, v * gain * scale)

    def _series(self) -> npt.NDArray[np.float64]:
        """c_0 … c_K."""
        n = self.degree + 1
        nodes = np.cos((np.arange(n, 0, -1) - 0.5) * np.pi / n)
        if self.interpolation == "code":
            at = np.cos((self.degree - np.arange(n)) * np.pi / self.degree).round(3)
            target = self._plateau(at).round(3)
        else:
            target = self._plateau(nodes)
        c: npt.NDArray[np.float64] = 2 / n * np.cos(np.outer(np.arange(n), np.arccos(nodes))) @ target
        c[0] /= 2
        return c

    def _plateau(self, t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        half: npt.NDArray[np.float64] = 0.5 * np.sign(t) * np.abs(t) ** self.phi
        return 0.5 - half
