from pathlib import Path

import numpy as np
import pytest

from invdesflow.eliashberg.reading import read_alpha2f
from invdesflow.epw.parsers.band_files import read_electron_bands, read_phonon_bands
from invdesflow.epw.parsers.couplings import (
    read_coupling_distribution,
    read_fermi_surface_values,
    read_state_couplings,
)
from invdesflow.epw.parsers.phonon_dos import read_mode_phonon_dos, read_phonon_dos
from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.matdyn import read_frequencies
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data"
ANISOTROPIC, ISOTROPIC = DATA / "epw/al_anisotropic/outputs", DATA / "epw/al_isotropic/outputs"
BANDS = DATA / "epw/al_bands/outputs"


def test_distributions_of_coupling_surround_the_coupling_strength() -> None:
    strength = read_alpha2f(ANISOTROPIC / "crystal.a2f").lambda_
    for name in ("lambda_k_pairs", "lambda_pairs"):
        found = read_coupling_distribution(ANISOTROPIC / f"crystal.{name}")
        assert found.density.max() == 1
        assert np.average(found.lambda_, weights=found.density) == pytest.approx(strength, rel=0.2)


def test_states_of_the_whole_mesh_are_those_of_its_irreducible_part() -> None:
    irreducible = read_state_couplings(ANISOTROPIC / "crystal.lambda_aniso")
    whole = read_fermi_surface_values(ANISOTROPIC / "crystal.lambda_FS")
    gaps = read_fermi_surface_values(ANISOTROPIC / "crystal.imag_aniso_gap_FS_002.00")
    np.testing.assert_array_equal(whole.k_points, gaps.k_points)
    assert set(np.round(whole.values, 6)) == set(np.round(irreducible.lambda_, 6))
    assert irreducible.k_point.tolist() == list(range(1, 13))
    alone = whole.values < 1e-6  # states with no partner on this coarse mesh
    assert (gaps.values[~alone] > 1).all()
    assert (gaps.values[alone] < 1e-30).all()
    assert (irreducible.lambda_ < 1e-6).sum() == 2


@pytest.mark.parametrize("folder", [ISOTROPIC, ANISOTROPIC])
def test_densities_of_branches_add_up(folder: Path) -> None:
    smeared, modes = read_phonon_dos(folder / "crystal.phdos"), read_mode_phonon_dos(folder / "crystal.phdos_proj")
    np.testing.assert_allclose(modes.by_mode.sum(axis=0), modes.total, atol=3e-7)
    np.testing.assert_array_equal(modes.total, smeared.density[0])
    np.testing.assert_array_equal(smeared.omega_mev, read_alpha2f(folder / "crystal.a2f").energies_mev)
    integrals = np.trapezoid(smeared.density, smeared.omega_mev)
    assert ((integrals > 2.6) & (integrals < 3)).all()  # some long waves connect no states
    np.testing.assert_allclose(integrals, integrals[0], rtol=1e-5)


def test_electron_bands_start_at_the_bottom_of_pw() -> None:
    bands = read_electron_bands(BANDS / "band.eig")
    reference = read_pw_xml(DATA / "pw/al_nscf/outputs/out/crystal.save/data-file-schema.xml")
    assert bands.values.shape == (11, 4)
    assert bands.values[0, 0] == pytest.approx(reference.eigenvalues_ev[0, 0], abs=1e-4)


def test_phonon_bands_are_those_of_matdyn() -> None:
    bands = read_phonon_bands(BANDS / "phband.freq")
    reference = read_frequencies(DATA / "matdyn/al_bands/outputs/matdyn.freq")
    mev_per_cm1 = 0.1239842
    np.testing.assert_allclose(bands.values[5], reference.values[6] * mev_per_cm1, atol=0.05)  # X
    np.testing.assert_allclose(bands.values[0], 0, atol=1e-3)


@pytest.mark.parametrize(
    ("reader", "path"),
    [
        (read_coupling_distribution, ANISOTROPIC / "crystal.lambda_pairs"),
        (read_state_couplings, ANISOTROPIC / "crystal.lambda_aniso"),
        (read_fermi_surface_values, ANISOTROPIC / "crystal.lambda_FS"),
        (read_phonon_dos, ISOTROPIC / "crystal.phdos"),
        (read_mode_phonon_dos, ISOTROPIC / "crystal.phdos_proj"),
        (read_electron_bands, BANDS / "band.eig"),
        (read_phonon_bands, BANDS / "phband.freq"),
    ],
)
def test_damaged_file_is_named(reader, path: Path, tmp_path: Path) -> None:
    lines = path.read_text().splitlines()
    damaged = tmp_path / path.name
    for content in ("", "JOB DONE.\n", "\n".join([*lines[:8], lines[8][:14]])):
        damaged.write_text(content)
        with pytest.raises(EspressoError, match=f"{path.name} cannot be read as"):
            reader(damaged)
