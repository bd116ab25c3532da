"""Quasi-Newton minimisation with a trust radius, for problems of few and strongly different coordinates."""

from typing import Any

import numpy as np
from ase.optimize.lbfgs import LBFGS
from ase.optimize.optimize import Optimizer

from invdesflow.relaxation.coordinates import SymmetryAdaptedCell, UnphysicalCrystalError
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["LimitedLBFGS", "StalledError", "TrustRegionBFGS"]

LARGEST_RADIUS = 2.0
SMALLEST_RADIUS = 1e-3
ENERGY_NOISE = 1e-5  # eV per atom: single-precision potentials cannot tell energies apart below this


class StalledError(ArithmeticError):
    """No step, however short, lowers the energy."""


class LimitedLBFGS(LBFGS):  # type: ignore[misc] # ASE is not typed
    """ASE's LBFGS on a `SymmetryAdaptedCell`, with no step longer than a strain of 0.12 or 0.25 Angstrom.

    ASE measures steps as it measures gradients, which here are of strains and displacements at once.
    """

    def determine_step(self, dr: FloatArray) -> FloatArray:
        """Shorten a step that is too long."""
        limited: FloatArray = dr / max(1.0, self.optimizable.step_size(dr))
        return limited


class TrustRegionBFGS(Optimizer):  # type: ignore[misc] # ASE is not typed
    """BFGS on a `SymmetryAdaptedCell`, from a model Hessian, with steps limited to where the model is trusted.

    A step that raises the energy is taken back, the curvature that it taught is kept, and the radius shrinks; where
    the curvature along a step is negative the symmetric rank-one update takes the place of BFGS (Nocedal and Wright,
    Numerical Optimization, 2nd ed., chapters 4 and 6).

    Parameters
    ----------
    atoms
        The crystal's coordinates.
    **kwargs
        As for ``ase.optimize.optimize.Optimizer``.
    """

    def __init__(self, atoms: SymmetryAdaptedCell, **kwargs: Any) -> None:
        self._cell = atoms
        self._hessian = atoms.model_hessian()
        self._radius = 1.0
        super().__init__(atoms, **kwargs)

    def step(self) -> None:
        """Move to the next point that lowers the energy.

        Raises
        ------
        StalledError
            If the radius shrinks to nothing first; the crystal is then where it was before.
        """
        cell = self._cell
        x, gradient, value = cell.get_x(), cell.get_gradient(), cell.get_value()
        obstacle = "no step lowers the energy"
        while self._radius > SMALLEST_RADIUS:
            step = self._newton_step(gradient)
            size = cell.step_size(step)
            limited = size > self._radius
            if limited:
                step, size = step * (self._radius / size), self._radius
            predicted = float(gradient @ step + 0.5 * step @ self._hessian @ step)
            cell.set_x(x + step)
            try:
                change = cell.get_value() - value
                self._update_hessian(step, cell.get_gradient() - gradient)
            except UnphysicalCrystalError as error:
                obstacle = str(error)
            else:
                if change <= ENERGY_NOISE * len(cell.atoms):
                    self._adapt_radius(change / predicted, size, limited)
                    return
            self._radius = size / 3
        cell.set_x(x)
        raise StalledError(obstacle)

    def _newton_step(self, gradient: FloatArray) -> FloatArray:
        curvatures, modes = np.linalg.eigh(self._hessian)
        step: FloatArray = -modes @ ((gradient @ modes) / np.abs(curvatures))
        return step

    def _adapt_radius(self, agreement: float, size: float, limited: bool) -> None:
        if agreement > 0.5 and limited:
            self._radius = min(2 * self._radius, LARGEST_RADIUS)
        elif agreement < 0.1:
            self._radius = size / 2

    def _update_hessian(self, step: FloatArray, gradient_change: FloatArray) -> None:
        predicted = self._hessian @ step
        curvature = step @ gradient_change
        if curvature > 0:
            self._hessian += np.outer(gradient_change, gradient_change) / curvature
            self._hessian -= np.outer(predicted, predicted) / (step @ predicted)
            return
        error = gradient_change - predicted
        denominator = error @ step
        if abs(denominator) > 1e-8 * np.linalg.norm(error) * np.linalg.norm(step):
            self._hessian += np.outer(error, error) / denominator
