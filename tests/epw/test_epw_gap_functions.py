from pathlib import Path

import numpy as np
import pytest

from invdesflow.epw.parsers.epw_output import read_epw_output
from invdesflow.epw.parsers.gap_functions import (
    RealAxisGap,
    read_anisotropic_gap,
    read_free_energy,
    read_gap_distribution,
    read_gap_function,
    read_quasiparticle_dos,
    read_real_axis_gap,
    temperature_suffix,
)
from invdesflow.errors import EspressoError

DATA = Path(__file__).parents[1] / "data" / "epw"
ISOTROPIC, ANISOTROPIC = DATA / "al_isotropic/outputs", DATA / "al_anisotropic/outputs"


def test_isotropic_gap_is_the_printed_one() -> None:
    for cycle in read_epw_output(ISOTROPIC / "epw.out").cycles:
        suffix = temperature_suffix(cycle.temperature_k)
        gap = read_gap_function(ISOTROPIC / f"crystal.imag_iso_{suffix}")
        assert len(gap.omega_ev) == cycle.n_matsubara
        assert gap.delta_mev[0] == pytest.approx(cycle.gap_mev, rel=1e-6)
        assert gap.z[0] == pytest.approx(cycle.iterations[-1, 1], rel=1e-6)
        np.testing.assert_allclose(
            gap.omega_ev, np.pi * 8.617333e-5 * cycle.temperature_k * (2 * np.arange(len(gap.omega_ev)) + 1), rtol=1e-5
        )


def test_continuation_starts_at_the_gap_of_the_imaginary_axis() -> None:
    real = read_real_axis_gap(ISOTROPIC / "crystal.pade_iso_000.50")
    assert real.delta_mev[0].real == pytest.approx(0.1382866, rel=1e-4)
    assert real.gap_edge_mev is None  # below the first frequency of this coarse mesh


def test_edge_of_a_constant_gap_is_that_gap() -> None:
    omega = np.linspace(1e-4, 1e-2, 100)
    gap = RealAxisGap(omega, np.ones(100, dtype=complex), np.full(100, 2.34 + 0.1j))
    assert gap.gap_edge_mev == pytest.approx(2.34)
    gap.delta_mev[50] = complex(np.nan, np.nan)
    assert gap.gap_edge_mev is None


@pytest.mark.parametrize("temperature_k", [2.0, 3.0])
def test_distribution_has_its_temperature_taken_off(temperature_k: float) -> None:
    suffix = temperature_suffix(temperature_k)
    found = read_gap_distribution(ANISOTROPIC / f"crystal.imag_aniso_gap0_{suffix}")
    cycle = next(one for one in read_epw_output(ANISOTROPIC / "epw.out").cycles if one.temperature_k == temperature_k)
    assert found.temperature_k == pytest.approx(temperature_k, abs=1e-8)
    assert (found.density.min(), found.density.max()) == (0, pytest.approx(1))
    low, high = found.range_mev()
    assert 3 < low < found.mean_mev < high < 5
    assert found.mean_mev == pytest.approx(cycle.gap_mev, rel=0.15)  # the printed average weights states differently


def test_distribution_without_its_peak_is_refused(tmp_path: Path) -> None:
    lines = (ANISOTROPIC / "crystal.imag_aniso_gap0_002.00").read_text().splitlines()
    path = tmp_path / "crystal.imag_aniso_gap0_002.00"
    path.write_text("\n".join(lines[:40]))
    with pytest.raises(EspressoError, match="not its temperature plus a density of at most 1"):
        read_gap_distribution(path)


def test_distribution_is_made_of_the_gaps_of_the_states() -> None:
    gap = read_anisotropic_gap(ANISOTROPIC / "crystal.imag_aniso_002.00")
    found = read_gap_distribution(ANISOTROPIC / "crystal.imag_aniso_gap0_002.00")
    assert gap.delta_mev.shape == gap.z.shape == (55, 12)
    low, high = found.range_mev(1e-8)
    near = gap.delta_mev[0, np.abs(gap.energies_ev) < 0.15]
    step = found.gap_mev[1] - found.gap_mev[0]
    assert ((near > low - step) & (near < high + step)).all()
    assert (gap.delta_mev[0] < 1e-30).sum() == 2  # states with no partner on this coarse mesh


def test_superconductor_has_no_states_in_the_gap_and_less_energy() -> None:
    dos = read_quasiparticle_dos(ANISOTROPIC / "crystal.qdos_002.00")
    low, high = read_gap_distribution(ANISOTROPIC / "crystal.imag_aniso_gap0_002.00").range_mev()
    assert low - 0.5 < dos.omega_ev[dos.ratio.argmax()] * 1e3 < high + 0.5
    assert dos.ratio[0] < 0.1 < dos.ratio.max()
    temperature_k, difference = read_free_energy(ANISOTROPIC / "crystal.fe_002.00")
    assert temperature_k == 2.0
    assert difference < 0


def test_anisotropic_gap_is_not_taken_for_an_isotropic_one() -> None:
    with pytest.raises(EspressoError, match="its frequencies do not rise"):
        read_gap_function(ANISOTROPIC / "crystal.imag_aniso_002.00")


def test_columns_of_newer_versions_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.imag_iso_002.00"
    path.write_text(
        "              w [eV]            znorm(w)       delta(w) [eV]       shift(w) [eV]\n 1.0 1.5 2E-3 0.1\n"
    )
    assert read_gap_function(path).delta_mev.tolist() == [2.0]
    path.write_text("              w [eV]            znorm(w)       delta(w) [eV]\n 1.0 1.5 2.0-103\n")
    assert read_gap_function(path).delta_mev.tolist() == [2e-100]


@pytest.mark.parametrize(
    ("reader", "path"),
    [
        (read_gap_function, ISOTROPIC / "crystal.imag_iso_000.50"),
        (read_real_axis_gap, ISOTROPIC / "crystal.pade_iso_000.50"),
        (read_anisotropic_gap, ANISOTROPIC / "crystal.imag_aniso_002.00"),
        (read_gap_distribution, ANISOTROPIC / "crystal.imag_aniso_gap0_002.00"),
        (read_quasiparticle_dos, ANISOTROPIC / "crystal.qdos_002.00"),
        (read_free_energy, ANISOTROPIC / "crystal.fe_002.00"),
    ],
)
def test_damaged_file_is_named(reader, path: Path, tmp_path: Path) -> None:
    lines = path.read_text().splitlines()
    damaged = tmp_path / path.name
    for content in ("", "JOB DONE.\n", "\n".join([*lines[:30], lines[-1][:15]])):
        damaged.write_text(content)
        with pytest.raises(EspressoError, match=f"{path.name} cannot be read as"):
            reader(damaged)
