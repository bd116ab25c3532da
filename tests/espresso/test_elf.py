"""The electron localisation function, with the real pw.x and pp.x."""

import shutil

import numpy as np
import pytest
from aluminium import PSEUDOPOTENTIALS
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.elf_jobs import ElfMaker, read_elf
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.espresso.parsers.volumetric import PeriodicFunction, read_periodic_function
from invdesflow.espresso.pw_jobs import PwStaticMaker

FILES = {"Al": "Al.pz-vbc.UPF", "Mg": "Mg.pz-n-vbc.UPF", "B": "B.pz-vbc.UPF", "Si": "Si.pz-vbc.UPF"}
needs_pp = pytest.mark.skipif(
    shutil.which("pw.x") is None or shutil.which("pp.x") is None or not PSEUDOPOTENTIALS.is_dir(),
    reason="pw.x and pp.x are not installed",
)


def localisation(structure, **overrides):
    calculation = Calculation.of("smoke", str(PSEUDOPOTENTIALS), files=FILES, overrides={"k_spacing": 0.4} | overrides)
    static = PwStaticMaker.make.original(PwStaticMaker(calculation), primitive_for_espresso(structure))
    return ElfMaker.make.original(ElfMaker(calculation), static)


@needs_pp
def test_aluminium_is_nearly_an_electron_gas(database):
    output = localisation(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.97), ["Al"], [[0, 0, 0]]))
    elf = read_elf(output)
    points = np.indices((24, 24, 24)).reshape(3, -1).T / 24
    distances = output.structure.lattice.get_all_distances(points, output.structure.frac_coords).min(axis=1)
    assert elf.at(points[distances > 1.3]).mean() == pytest.approx(0.5, abs=0.1)
    assert elf.at(points[distances < 0.5]).mean() < 0.1  # no core electrons: nothing is localised there
    assert output.asymmetry < 1e-4
    np.testing.assert_allclose(elf.lattice, output.structure.lattice.matrix, atol=1e-5)
    task = database.collection(EspressoTaskDocument).get(output.task_id)
    assert (task.program, task.status, task.results["elf_max"]) == ("pp.x", "completed", output.elf_max)


@needs_pp
def test_silicon_has_its_electrons_in_bonds(database):
    """The maximum in the middle of the bond is the textbook case (0.95 and more)."""
    output = localisation(Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]]), k_spacing=0.5)
    elf = read_elf(output)
    bond = output.structure.frac_coords.mean(axis=0)
    in_bond, in_void = elf.at([bond, bond + 0.5])
    assert 0.9 < in_bond == pytest.approx(output.elf_max, abs=0.05)
    assert in_void < 0.3


def test_interpolation_knows_the_period():
    values = np.cos(2 * np.pi * np.arange(12) / 12)[:, None, None] * np.ones((12, 8, 8))
    wave = PeriodicFunction(np.eye(3), values)
    positions = np.array([[0.96, 0.2, 0.9], [1.96, -3.3, 0.0], [-0.04, 0.0, 0.0]])
    np.testing.assert_allclose(wave.at(positions), np.cos(2 * np.pi * 0.04), atol=1e-3)


def test_broken_symmetry_is_seen():
    structure = Structure(Lattice.cubic(3.0), ["Al"], [[0, 0, 0]])
    values = np.zeros((6, 6, 6))
    for axis in range(3):
        values += np.cos(2 * np.pi * np.indices(values.shape)[axis] / 6)
    assert PeriodicFunction(structure.lattice.matrix, values).asymmetry(symmetry_of(structure)) < 1e-12
    values[1, 0, 0] += 0.1
    broken = PeriodicFunction(structure.lattice.matrix, values)
    assert broken.asymmetry(symmetry_of(structure)) == pytest.approx(0.1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_cube_is_refused(tmp_path, share):
    path = tmp_path / "elf.cube"
    text = cube()
    path.write_text(text)
    assert read_periodic_function(path).values.shape == (2, 3, 4)
    path.write_text(text[: int(len(text) * share)])
    with pytest.raises(EspressoError, match="cannot be read as a cube file"):
        read_periodic_function(path)


def cube():
    grid = [f"{n} {' '.join('2.0' if i == axis else '0.0' for i in range(3))}" for axis, n in enumerate((2, 3, 4))]
    values = [" ".join(f"{0.1 * i:.5E}" for i in range(4))] * 6
    return "\n".join(["title", "comment", "1 0.0 0.0 0.0", *grid, "13 13.0 0.0 0.0 0.0", *values]) + "\n"
