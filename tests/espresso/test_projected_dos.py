"""Densities of states by element and orbital, with the real pw.x and projwfc.x."""

import shutil

import numpy as np
import pytest
from aluminium import PSEUDOPOTENTIALS
from pymatgen.core import Lattice, Structure

from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.dos_jobs import DosMaker, ProjectedDos, read_projected_dos
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.espresso.pw_jobs import PwStaticMaker

FILES = {"Al": "Al.pz-vbc.UPF", "Mg": "Mg.pz-n-vbc.UPF", "B": "B.pz-vbc.UPF"}
pytestmark = pytest.mark.skipif(
    shutil.which("pw.x") is None or shutil.which("projwfc.x") is None or not PSEUDOPOTENTIALS.is_dir(),
    reason="pw.x and projwfc.x are not installed",
)


def density_of_states(structure, **overrides):
    calculation = Calculation.of("smoke", str(PSEUDOPOTENTIALS), files=FILES, overrides={"k_spacing": 0.4} | overrides)
    static = PwStaticMaker.make.original(PwStaticMaker(calculation), primitive_for_espresso(structure))
    return DosMaker.make.original(DosMaker(calculation), static)


def test_aluminium_is_a_free_electron_metal(database):
    """N(E) = 3/2 n / E_F for three electrons in a parabola, here within a fifth."""
    output = density_of_states(
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.97), ["Al"], [[0, 0, 0]]), dos_spacing=0.3
    )
    dos = read_projected_dos(output)
    assert output.electrons == pytest.approx(3.0, abs=0.01)
    assert 2.9 < output.projected_electrons < output.electrons
    free_fermi_energy = 3.80998 * (3 * np.pi**2 * 3.0 / (3.97**3 / 4)) ** (2 / 3)
    assert output.dos_per_ev == pytest.approx(1.5 * 3.0 / free_fermi_energy, rel=0.2)
    assert set(output.dos_by_orbital_per_ev) == {"Al s", "Al p"}
    ratio = dos.projected["Al", "p"][:6] / dos.projected["Al", "s"][:6]
    assert ratio[0] < 0.1, "the bottom of the band is a plane wave without a node at the nucleus"
    assert (np.diff(ratio) > 0).all()
    projected = sum(dos.projected.values())
    assert (projected <= dos.total + 0.01).all()
    assert dos.energies_ev[0] == pytest.approx(-11.3, abs=0.5)
    assert dos.energies_ev[-1] == pytest.approx(10.0, abs=0.1)


@pytest.mark.slow
def test_boron_conducts_in_magnesium_diboride(database):
    structure = Structure.from_spacegroup(
        "P6/mmm", Lattice.hexagonal(3.08, 3.51), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
    )
    output = density_of_states(structure, ecutwfc_ry=20, ecutrho_ry=80, dos_spacing=0.25)
    at_fermi = output.dos_by_orbital_per_ev
    assert output.electrons == pytest.approx(8.0, abs=0.05)
    assert at_fermi["B p"] > 0.6 * output.dos_per_ev
    assert at_fermi["B p"] > 10 * at_fermi["B s"]
    assert 0.4 < output.dos_per_ev < 1.0  # 0.7 in the literature


def test_integrals_end_at_the_fermi_level():
    energies = np.linspace(-5.03, 3.0, 402)
    dos = ProjectedDos(energies, np.full(402, 2.0), {})
    assert dos.electrons(dos.total) == pytest.approx(10.06)
    assert dos.at_fermi_level(energies) == pytest.approx(0.0, abs=1e-12)
