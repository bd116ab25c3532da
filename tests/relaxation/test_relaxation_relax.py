"""Relaxations with CHGNet 0.3.0 against scans, ASE, and lattice constants known from independent runs."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.optimize import minimize_scalar

from invdesflow.relaxation.coordinates import SymmetryAdaptedCell
from invdesflow.relaxation.elements import reference_structures
from invdesflow.relaxation.optimizer import LimitedLBFGS, TrustRegionBFGS
from invdesflow.relaxation.potentials import calculator_specification, find_potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, relax


@pytest.fixture(scope="module")
def chgnet():
    return load_calculator(find_potential())


def magnesium_diboride():
    return Structure.from_spacegroup(191, Lattice.hexagonal(3.2, 3.4), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]])


def rutile():
    return Structure.from_spacegroup(136, Lattice.tetragonal(4.75, 2.9), ["Ti", "O"], [[0, 0, 0], [0.31, 0.31, 0]])


def wurtzite():
    sites = [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.39]]
    return Structure.from_spacegroup(186, Lattice.hexagonal(3.3, 5.1), ["Ga", "N"], sites)


def test_a_cubic_crystal_ends_at_the_minimum_of_its_energy_curve(chgnet):
    start = Structure.from_spacegroup(225, Lattice.cubic(4.7), ["Nb", "C"], [[0, 0, 0], [0.5, 0.5, 0.5]])

    def energy(a):
        atoms = AseAtomsAdaptor.get_atoms(Structure(Lattice.cubic(a), start.species, start.frac_coords))
        atoms.calc = chgnet
        return atoms.get_potential_energy()

    scan = minimize_scalar(energy, bracket=(4.3, 4.5, 4.7), tol=1e-4)
    result = relax(start, chgnet, RelaxationSettings(fmax=0.002))
    assert result.converged
    assert result.structure.lattice.a == pytest.approx(scan.x, abs=2e-3)
    assert result.energy_ev == pytest.approx(scan.fun, abs=1e-3)
    assert len(result.structure) == 8
    assert result.n_force_evaluations < 10


@pytest.mark.parametrize("crystal", [rutile, wurtzite])
def test_free_parameters_agree_with_ase(chgnet, crystal):
    start = crystal()
    atoms = AseAtomsAdaptor.get_atoms(start)
    atoms.set_constraint(FixSymmetry(atoms))
    atoms.calc = chgnet
    assert LBFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.0005, steps=300)
    result = relax(start, chgnet, RelaxationSettings(fmax=0.0005))
    assert result.converged
    np.testing.assert_allclose(result.structure.lattice.abc, atoms.cell.lengths(), atol=1e-3)
    np.testing.assert_allclose(
        np.sort(result.structure.distance_matrix.ravel()), np.sort(atoms.get_all_distances(mic=True).ravel()), atol=1e-3
    )


def test_known_lattice_constants(chgnet):
    result = relax(magnesium_diboride(), chgnet, RelaxationSettings(fmax=0.005))
    assert result.structure.lattice.a == pytest.approx(3.0766, abs=0.003)
    assert result.structure.lattice.c == pytest.approx(3.5160, abs=0.003)


def test_hydride_keeps_its_symmetry(chgnet):
    sites = [[0.25, 0.25, 0.25], [0, 0, 0], [0.5, 0.5, 0.5], [0.24, 0, 0]]
    start = Structure.from_spacegroup(225, Lattice.cubic(7.9), ["K", "Ga", "Cu", "H"], sites)
    result = relax(start, chgnet, RelaxationSettings(fmax=0.005))
    assert (result.spacegroup_before, result.spacegroup_after) == (225, 225)
    assert 7.63 < result.structure.lattice.a < 7.68
    assert result.volume_change == pytest.approx((result.structure.lattice.a / 7.9) ** 3 - 1)


def test_pressure_is_balanced_by_the_stress(chgnet):
    result = relax(magnesium_diboride(), chgnet, RelaxationSettings(fmax=0.002, pressure_gpa=20.0))
    assert result.converged
    np.testing.assert_allclose(result.stress_gpa, -20.0 * np.eye(3), atol=0.1)
    volume = result.structure.volume
    assert result.enthalpy_ev == pytest.approx(result.energy_ev + 20.0 * units.GPa * volume, abs=1e-5)
    relaxed = relax(magnesium_diboride(), chgnet).structure.volume
    assert 0.8 < volume / relaxed < 0.93  # a bulk modulus of about 150 GPa


def test_without_symmetry_a_distorted_crystal_finds_its_parent(chgnet):
    start = magnesium_diboride()
    start.translate_sites([1], [0.03, 0.01, 0.02])
    assert relax(start, chgnet, RelaxationSettings(keep_symmetry=False)).energy_ev == pytest.approx(
        relax(magnesium_diboride(), chgnet).energy_ev, abs=3e-3
    )


def test_failures_are_results(chgnet):
    few = relax(rutile(), chgnet, RelaxationSettings(max_steps=1))
    assert not few.converged
    assert few.reason == "not converged after 1 steps"
    assert few.energy_ev is not None
    fused = relax(Structure(Lattice.cubic(4), ["Cu", "Zn"], [[0, 0, 0], [0.05, 0, 0]]), chgnet)
    assert "fused" in fused.reason
    assert fused.energy_ev is None
    overlapping = relax(Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [0.0001, 0, 0]]), chgnet)
    assert "symmetry" in overlapping.reason


def test_runs_inside_the_maker_of_atomate2(tmp_path, monkeypatch):
    """The coordinates and the optimiser are ASE's kind of thing: atomate2's relaxation takes them as they are."""
    from atomate2.forcefields.jobs import ForceFieldRelaxMaker

    monkeypatch.chdir(tmp_path)
    name, arguments = calculator_specification(find_potential())
    maker = ForceFieldRelaxMaker(
        force_field_name=name,
        calculator_kwargs=arguments,
        optimizer_kwargs={"optimizer": TrustRegionBFGS},
        relax_kwargs={"cell_filter": SymmetryAdaptedCell, "fmax": 0.02, "final_atoms_object_file": None},
    )
    ours = relax(rutile(), load_calculator(find_potential()))
    theirs = maker.run_ase(rutile())
    assert theirs.converged
    assert theirs.final_mol_or_struct.lattice.abc == pytest.approx(ours.structure.lattice.abc, abs=1e-4)


def test_sevennet_goes_the_same_way():
    pytest.importorskip("sevenn")
    result = relax(magnesium_diboride(), load_calculator(find_potential("SevenNet")), RelaxationSettings(fmax=0.005))
    assert result.structure.lattice.a == pytest.approx(3.0776, abs=0.003)
    assert result.structure.lattice.c == pytest.approx(3.5140, abs=0.006)


@pytest.mark.parametrize("optimizer", ["trust-region-bfgs", "lbfgs"])
def test_a_tight_criterion_is_met_by_either_optimizer(optimizer):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    settings = RelaxationSettings(fmax=1e-4, optimizer=optimizer, keep_symmetry=False)
    result = relax(AseAtomsAdaptor.get_structure(atoms), EMT(), settings)
    assert result.converged, result.reason
    assert result.max_force < 1e-4
    assert result.structure.volume ** (1 / 3) == pytest.approx(3.59, abs=0.01)


def test_the_first_step_of_lbfgs_is_no_longer_than_the_others():
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0] += [0.9, 0.0, 0.0]  # forces of 20 eV/A
    atoms.calc = EMT()
    cell = SymmetryAdaptedCell(atoms, keep_symmetry=False)
    optimizer = LimitedLBFGS(cell, logfile=None)
    before = cell.get_x()
    optimizer.run(fmax=0.01, steps=1)
    assert cell.step_size(cell.get_x() - before) == pytest.approx(1.0)


def test_elements_that_give_way_are_followed_under_pressure(chgnet):
    [(_, hydrogen)] = reference_structures("H").items()
    result = relax(hydrogen, chgnet, RelaxationSettings(pressure_gpa=20.0))
    assert result.converged, result.reason
    assert result.volume_change < -0.6
    assert -np.trace(result.stress_gpa) / 3 == pytest.approx(20.0, abs=0.5)


def test_the_usual_optimizer_is_no_part_of_the_question():
    assert "optimizer" not in RelaxationSettings().model_dump()
    assert RelaxationSettings(optimizer="lbfgs").model_dump()["optimizer"] == "lbfgs"
    assert RelaxationSettings.model_validate(RelaxationSettings().model_dump()) == RelaxationSettings()
