"""Gradient, stress and safeguards of the symmetry-adapted coordinates, with ASE's own cheap potentials."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.spacegroup import crystal

from invdesflow.relaxation.coordinates import SymmetryAdaptedCell, UnphysicalCrystalError

WURTZITE = crystal(
    ["Ar", "Ar"], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.37)], spacegroup=186, cellpar=[3.9, 3.9, 6.3, 90, 90, 120]
)


def lennard_jones_cell(**options):
    atoms = WURTZITE.copy()
    atoms.calc = LennardJones(sigma=2.1, epsilon=0.1, rc=9.0, smooth=True)
    return SymmetryAdaptedCell(atoms, **options)


@pytest.mark.parametrize("options", [{}, {"pressure": 0.4}, {"keep_symmetry": False, "pressure": -0.1}])
def test_gradient_is_the_derivative_of_the_value(options):
    cell = lennard_jones_cell(**options)
    x = 0.03 * np.random.default_rng(1).standard_normal(cell.ndofs())
    cell.set_x(x)
    gradient = cell.get_gradient()
    numerical = np.empty_like(gradient)
    for i, shift in enumerate(1e-5 * np.eye(len(x))):
        cell.set_x(x + shift)
        above = cell.get_value()
        cell.set_x(x - shift)
        numerical[i] = (above - cell.get_value()) / 2e-5
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-6)


def test_stress_is_positive_under_tension():
    """dE/dV = trace(stress) / 3, so that a stretched crystal has a positive stress."""
    cell = lennard_jones_cell()
    cell.atoms.set_cell(cell.atoms.cell[:] * 1.1, scale_atoms=True)
    stress = cell.evaluate().stress
    energies, volumes = [], []
    for scale in (1 - 1e-4, 1 + 1e-4):
        stretched = cell.atoms.copy()
        stretched.calc = LennardJones(sigma=2.1, epsilon=0.1, rc=9.0, smooth=True)
        stretched.set_cell(cell.atoms.cell[:] * scale, scale_atoms=True)
        energies.append(stretched.get_potential_energy())
        volumes.append(stretched.get_volume())
    slope = (energies[1] - energies[0]) / (volumes[1] - volumes[0])
    assert slope > 0
    assert np.trace(stress) / 3 == pytest.approx(slope, rel=1e-4)


def test_residual_is_what_ase_filters_call_the_largest_force():
    from ase.filters import FrechetCellFilter

    cell = lennard_jones_cell(pressure=0.05)
    reference = FrechetCellFilter(cell.atoms, scalar_pressure=0.05)
    assert cell.residual() == pytest.approx(np.linalg.norm(reference.get_forces(), axis=1).max(), rel=1e-6)


def test_each_geometry_is_evaluated_once():
    cell = lennard_jones_cell()
    cell.get_value()
    cell.get_gradient()
    cell.residual()
    assert cell.n_evaluations == 1


def test_fused_atoms_are_not_evaluated():
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (0.5, 0, 0)], cell=[4, 4, 4], pbc=True)
    cell = SymmetryAdaptedCell(atoms, keep_symmetry=False)
    with pytest.raises(UnphysicalCrystalError, match=r"fused: Cu-Cu at 0\.50"):
        cell.evaluate()


def test_volume_runaway_is_not_evaluated():
    cell = lennard_jones_cell(keep_symmetry=False)
    cell.set_x(np.array([0.6, 0.6, 0.6] + [0.0] * (cell.ndofs() - 3)))
    with pytest.raises(UnphysicalCrystalError, match="volume runaway"):
        cell.evaluate()


class ConstantCalculator(Calculator):
    """Gives one energy and no forces."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, energy):
        super().__init__()
        self.energy = energy

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": self.energy, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros((3, 3))}


@pytest.mark.parametrize(("energy", "reason"), [(np.nan, "not finite"), (-1e6, "blows up")])
def test_energies_that_mean_nothing_are_refused(energy, reason):
    atoms = bulk("Cu")
    atoms.calc = ConstantCalculator(-3.0)
    cell = SymmetryAdaptedCell(atoms)
    cell.evaluate()
    atoms.calc.energy = energy
    cell.set_x(cell.get_x() + 0.01)
    with pytest.raises(UnphysicalCrystalError, match=reason):
        cell.evaluate()


def test_the_zero_of_the_energy_is_the_potentials_own():
    atoms = bulk("Cu")
    atoms.calc = ConstantCalculator(-7000.0)
    assert SymmetryAdaptedCell(atoms).evaluate().energy == -7000.0
    with pytest.raises(UnphysicalCrystalError, match="blows up"):
        SymmetryAdaptedCell(atoms, energy_zero=0.0).evaluate()
