"""The optimiser against ASE's, and where it must give up."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from invdesflow.relaxation.coordinates import SymmetryAdaptedCell
from invdesflow.relaxation.optimizer import StalledError, TrustRegionBFGS


def distorted_alloy():
    atoms = bulk("Cu", cubic=True) * (1, 1, 2)
    atoms.symbols[[0, 5]] = "Au"
    atoms.rattle(0.15, seed=3)
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + np.diag([0.06, -0.03, 0.02])), scale_atoms=True)
    atoms.calc = EMT()
    return atoms


def test_finds_the_minimum_of_ase_in_fewer_evaluations():
    reference = distorted_alloy()
    slow = LBFGS(FrechetCellFilter(reference), logfile=None)
    assert slow.run(fmax=0.002, steps=500)
    atoms = distorted_alloy()
    cell = SymmetryAdaptedCell(atoms, keep_symmetry=False)
    assert TrustRegionBFGS(cell).run(fmax=0.002, steps=200)
    assert atoms.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-4)
    assert cell.n_evaluations < slow.nsteps


def test_accepted_steps_never_raise_the_energy():
    cell = SymmetryAdaptedCell(distorted_alloy(), keep_symmetry=False)
    optimizer = TrustRegionBFGS(cell)
    energies = [cell.get_value() for _ in optimizer.irun(fmax=0.002, steps=200)]
    assert (np.diff(energies) < 1e-4).all()
    assert energies[-1] < energies[0] - 0.1


class LyingEMT(EMT):
    """Forces of the wrong sign: every step goes uphill."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] = -self.results["forces"]
        self.results["stress"] = -self.results["stress"]


def test_stalls_where_the_forces_contradict_the_energy():
    atoms = distorted_alloy()
    atoms.calc = LyingEMT()
    before = atoms.positions.copy()
    with pytest.raises(StalledError, match="no step lowers the energy"):
        TrustRegionBFGS(SymmetryAdaptedCell(atoms, keep_symmetry=False)).run(fmax=0.002, steps=50)
    np.testing.assert_allclose(atoms.positions, before, atol=1e-6)
