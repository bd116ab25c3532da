"""Damaged outputs of Quantum ESPRESSO and EPW: an error of ours or a result, never anything else."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from mutations import Change, changes, damaged, fuzzing, reads_or_refuses

from invdesflow.eliashberg.reading import read_alpha2f, read_spectra
from invdesflow.epw.parsers.band_files import read_electron_bands, read_phonon_bands
from invdesflow.epw.parsers.couplings import (
    read_coupling_distribution,
    read_fermi_surface_values,
    read_state_couplings,
)
from invdesflow.epw.parsers.epw_output import read_epw_output
from invdesflow.epw.parsers.gap_functions import (
    read_anisotropic_gap,
    read_free_energy,
    read_gap_distribution,
    read_gap_function,
    read_quasiparticle_dos,
    read_real_axis_gap,
)
from invdesflow.epw.parsers.linewidths import read_mode_couplings, read_mode_lambdas, read_mode_linewidths
from invdesflow.epw.parsers.phonon_dos import read_mode_phonon_dos
from invdesflow.epw.parsers.phonon_dos import read_phonon_dos as read_smeared_phonon_dos
from invdesflow.epw.parsers.wannier import read_hamiltonian, read_wannier_output
from invdesflow.espresso.failures import diagnose
from invdesflow.espresso.parsers.densities_of_states import read_density_of_states, read_partial_densities
from invdesflow.espresso.parsers.dynamical_matrix import read_dynamical_matrix, read_q_points
from invdesflow.espresso.parsers.matdyn import (
    read_frequencies,
    read_frequencies_along_path,
    read_modes,
    read_phonon_dos,
)
from invdesflow.espresso.parsers.ph_output import read_ph_output
from invdesflow.espresso.parsers.projections import read_atomic_states, read_projections
from invdesflow.espresso.parsers.pw_output import read_pw_output
from invdesflow.espresso.parsers.pw_xml import read_pw_xml
from invdesflow.espresso.parsers.volumetric import read_periodic_function
from invdesflow.espresso.saved_state import saved_state_failure

TESTS = Path(__file__).parents[1]
XML = "outputs/out/crystal.save/data-file-schema.xml"
CUBE = """cube
made here
    1    0.000000    0.000000    0.000000
    2    3.000000    0.000000    0.000000
    2    0.000000    3.000000    0.000000
    2    0.000000    0.000000    3.000000
   13    3.000000    0.000000    0.000000    0.000000
  0.1 0.2 0.3 0.4 0.5 0.6
  0.7 0.8
"""


def _partial(path: Path) -> object:
    return read_partial_densities(path.parent, "crystal")


def _failure(program: str, path: Path) -> object:
    return diagnose(program, path.parent, 0, None, path.name)


def put(whole: Path, folder: Path) -> Path:
    """Copy a file, and the input beside it, into a folder."""
    for file in (whole, *whole.parents[1].glob("inputs/*.in")):
        shutil.copy(file, folder)
    return folder / whole.name


READERS: list[tuple[Callable[[Path], object], str]] = [
    (read_pw_output, "data/pw/al_vc_relax/outputs/pw.out"),
    (read_pw_output, "data/pw/al_spin_polarised/outputs/pw.out"),
    (read_pw_xml, f"data/pw/al_spin_polarised/{XML}"),
    (read_pw_xml, f"data/pw/silicon/{XML}"),
    (saved_state_failure, f"data/pw/silicon/{XML}"),
    (partial(_failure, "pw.x"), "data/pw/al_scf/outputs/pw.out"),
    (read_ph_output, "data/ph/al_q2/outputs/ph.out"),
    (read_ph_output, "data/ph/not_converged/outputs/ph.out"),
    (partial(_failure, "ph.x"), "data/ph/al_q2/outputs/ph.out"),
    (read_q_points, "data/ph/al_q1/outputs/crystal.dyn0"),
    (read_dynamical_matrix, "data/ph/al_q2/outputs/crystal.dyn2"),
    (read_dynamical_matrix, "data/ph/silicon_gamma/outputs/crystal.dyn"),
    (partial(_failure, "q2r.x"), "data/q2r/al/outputs/q2r.out"),
    (read_frequencies, "data/matdyn/al_bands/outputs/matdyn.freq"),
    (read_frequencies_along_path, "data/matdyn/al_bands/outputs/matdyn.freq.gp"),
    (read_modes, "data/matdyn/al_bands/outputs/matdyn.modes"),
    (read_phonon_dos, "data/matdyn/al_dos/outputs/matdyn.dos"),
    (read_atomic_states, "data/projwfc/al/outputs/projwfc.out"),
    (read_projections, "data/projwfc/al/outputs/out/crystal.save/atomic_proj.xml"),
    (read_density_of_states, "data/projwfc/al/outputs/crystal.pdos_tot"),
    (_partial, "data/projwfc/al/outputs/crystal.pdos_atm#1(Al)_wfc#2(p)"),
    (read_epw_output, "data/epw/al_anisotropic/outputs/epw.out"),
    (read_epw_output, "data/epw/al_isotropic/outputs/epw.out"),
    (read_epw_output, "data/epw/al_wannier/outputs/epw.out"),
    (partial(_failure, "epw.x"), "data/epw/al_isotropic/outputs/epw.out"),
    (read_free_energy, "data/epw/al_anisotropic/outputs/crystal.fe_002.00"),
    (read_mode_couplings, "data/epw/al_linewidths_path/outputs/epw.out"),
    (read_mode_lambdas, "data/epw/al_linewidths/outputs/lambda.phself.0.300K"),
    (read_mode_linewidths, "data/epw/al_linewidths/outputs/linewidth.phself.0.300K"),
    (read_wannier_output, "data/epw/al_wannier/outputs/crystal.wout"),
    (read_hamiltonian, "data/epw/al_wannier/outputs/crystal_hr.dat"),
    (read_electron_bands, "data/epw/al_bands/outputs/band.eig"),
    (read_phonon_bands, "data/epw/al_bands/outputs/phband.freq"),
    (read_gap_function, "data/epw/al_isotropic/outputs/crystal.imag_iso_000.50"),
    (read_anisotropic_gap, "data/epw/al_anisotropic/outputs/crystal.imag_aniso_002.00"),
    (read_real_axis_gap, "data/epw/al_isotropic/outputs/crystal.pade_iso_000.50"),
    (read_gap_distribution, "data/epw/al_anisotropic/outputs/crystal.imag_aniso_gap0_002.00"),
    (read_quasiparticle_dos, "data/epw/al_anisotropic/outputs/crystal.qdos_002.00"),
    (read_coupling_distribution, "data/epw/al_anisotropic/outputs/crystal.lambda_pairs"),
    (read_state_couplings, "data/epw/al_anisotropic/outputs/crystal.lambda_aniso"),
    (read_fermi_surface_values, "data/epw/al_anisotropic/outputs/crystal.lambda_FS"),
    (read_smeared_phonon_dos, "data/epw/al_isotropic/outputs/crystal.phdos"),
    (read_mode_phonon_dos, "data/epw/al_isotropic/outputs/crystal.phdos_proj"),
    (read_alpha2f, "data/epw/al_isotropic/outputs/crystal.a2f"),
    (read_alpha2f, "eliashberg/data/a2F.dos3"),
    (read_spectra, "data/epw/al_linewidths/outputs/crystal.a2f.01.0.300"),
    (read_spectra, "data/epw/al_isotropic/outputs/crystal.a2f_proj"),
    (read_spectra, "eliashberg/data/alpha2F.dat"),
]


@pytest.mark.parametrize(("read", "name"), READERS, ids=[f"{name}" for _, name in READERS])
@given(damage=changes)
@fuzzing
def test_damaged_output(read: Callable[[Path], object], name: str, damage: list[Change], tmp_path: Path) -> None:
    path = put(TESTS / name, tmp_path)
    path.write_bytes(damaged(path.read_bytes(), damage))
    reads_or_refuses(read, path)


@given(damage=changes)
@fuzzing
def test_damaged_cube(damage: list[Change], tmp_path: Path) -> None:
    path = tmp_path / "elf.cube"
    path.write_bytes(damaged(CUBE.encode(), damage))
    reads_or_refuses(read_periodic_function, path)


@pytest.mark.parametrize(("read", "name"), READERS, ids=[f"{name}" for _, name in READERS])
def test_the_files_themselves_are_read(read: Callable[[Path], object], name: str, tmp_path: Path) -> None:
    read(put(TESTS / name, tmp_path))


def test_the_cube_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "elf.cube").write_text(CUBE)
    assert read_periodic_function(tmp_path / "elf.cube").values.shape == (2, 2, 2)
