from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.densities_of_states import read_density_of_states, read_partial_densities
from invdesflow.espresso.parsers.projections import read_projections

AL = Path(__file__).parents[1] / "data/projwfc/al/outputs"
XML = "out/crystal.save/atomic_proj.xml"


def test_shells_add_up_to_the_projected_density() -> None:
    total, shells = read_density_of_states(AL / "crystal.pdos_tot"), read_partial_densities(AL, "crystal")
    assert [(one.atom, one.element, one.shell, one.orbital) for one in shells] == [(0, "Al", 1, "s"), (0, "Al", 2, "p")]
    np.testing.assert_allclose(sum(one.density for one in shells), total.projected, rtol=2e-2, atol=1e-3)
    assert (total.total >= total.projected - 1e-3).all()
    fermi_energy_ev = read_projections(AL / XML).fermi_energy_ev
    below = total.energies_ev <= fermi_energy_ev
    assert np.trapezoid(total.total[0, below], total.energies_ev[below]) == pytest.approx(3, abs=0.1)


def test_spin_channels_are_separate(tmp_path: Path) -> None:
    (tmp_path / "x.pdos_tot").write_text("# E (eV)  dosup(E)  dosdw(E) pdosup(E) pdosdw(E)\n -1.0 1.0 2.0 0.9 1.9\n")
    dos = read_density_of_states(tmp_path / "x.pdos_tot")
    assert (dos.total.tolist(), dos.projected.tolist()) == ([[1.0], [2.0]], [[0.9], [1.9]])
    name = "x.pdos_atm#12(Fe1)_wfc#5(d)"
    (tmp_path / name).write_text("# E (eV)  ldosup(E) ldosdw(E) pdosup(E)\n -1.0 1.0 0.311-100 0.5\n")
    (found,) = read_partial_densities(tmp_path, "x")
    assert (found.atom, found.element, found.shell, found.orbital) == (11, "Fe", 5, "d")
    assert found.density.tolist() == [[1.0], [0.311e-100]]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EspressoError, match="its first line names no columns"):
        read_density_of_states(AL / "projwfc.out")
    with pytest.raises(EspressoError, match="it has none"):
        read_partial_densities(tmp_path, "crystal")
