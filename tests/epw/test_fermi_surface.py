"""Fermi surfaces of free electrons, known exactly, and of the recorded Hamiltonian of aluminium."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice

from invdesflow.epw.brillouin_zone import BrillouinZone
from invdesflow.epw.fermi_surface import fermi_surface, sheets_of_bands
from invdesflow.epw.fermi_surface_values import values_on_sheets
from invdesflow.epw.parsers.couplings import FermiSurfaceValues, read_fermi_surface_values
from invdesflow.epw.parsers.wannier import read_hamiltonian
from invdesflow.errors import SpectrumError
from invdesflow.espresso.meshes import explicit_k_points
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data"
FERMI_EV = 8.086105  # of the interpolated mesh, as epw.x printed it for al_anisotropic
LATTICES = {
    "fcc": Lattice([[-1.985, 0, 1.985], [0, 1.985, 1.985], [-1.985, 1.985, 0]]),
    "hexagonal": Lattice.hexagonal(3.08, 3.51),
    "triclinic": Lattice.from_parameters(3.0, 3.3, 3.9, 80, 75, 65),
}
lattices = pytest.mark.parametrize("lattice", LATTICES.values(), ids=list(LATTICES))


@pytest.fixture(scope="module")
def hamiltonian():
    return read_hamiltonian(DATA / "epw/al_wannier/outputs/crystal_hr.dat")


@pytest.fixture(scope="module")
def structure():
    return read_pw_xml(DATA / "pw/al_nscf/outputs/out/crystal.save/data-file-schema.xml").structure


@pytest.fixture(scope="module")
def aluminium(hamiltonian, structure):
    return fermi_surface(hamiltonian, structure, FERMI_EV, spacing=0.07)


def free_electrons(zone, n, bands):
    """Squared wave numbers of free electrons on a mesh, folded into the zone."""
    reciprocal = np.indices((7, 7, 7)).reshape(3, -1).T - 3
    k_points = explicit_k_points((n, n, n))
    squares = [(((k_points + vector) @ zone.reciprocal) ** 2).sum(axis=1) for vector in reciprocal]
    return np.sort(squares, axis=0)[:bands].T.reshape(n, n, n, bands)


def enclosed(sheet):
    a, b, c = np.moveaxis(sheet.points[sheet.triangles], 1, 0)
    return (a * np.cross(b, c)).sum() / 6.0


@lattices
def test_volume_of_the_fermi_sphere_counts_the_electrons(lattice):
    """Luttinger's theorem: 2 V / (2 pi)^3 per cell of the crystal."""
    zone = BrillouinZone.of(lattice)
    wave_number = (3 * np.pi**2 * 0.6 / lattice.volume) ** (1 / 3)
    (sheet,) = sheets_of_bands(free_electrons(zone, 40, 2), wave_number**2, zone)
    electrons = 2 * abs(enclosed(sheet)) * lattice.volume / (2 * np.pi) ** 3
    assert electrons == pytest.approx(0.6, rel=0.01)
    assert sheet.areas.sum() == pytest.approx(4 * np.pi * wave_number**2, rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(sheet.points, axis=1), wave_number, rtol=0.01)


@lattices
def test_sphere_that_leaves_the_zone_is_folded_back_whole(lattice):
    zone = BrillouinZone.of(lattice)
    wave_number = (3 * np.pi**2 * 2.5 / lattice.volume) ** (1 / 3)
    sheets = sheets_of_bands(free_electrons(zone, 40, 5), wave_number**2, zone)
    assert len(sheets) > 1
    area = sum(sheet.areas.sum() for sheet in sheets)
    assert area == pytest.approx(4 * np.pi * wave_number**2, rel=0.1)  # corners between bands are rounded off


@lattices
def test_zone_has_the_volume_of_the_reciprocal_cell_and_holds_the_surface(lattice):
    zone = BrillouinZone.of(lattice)
    heights = [np.linalg.norm(face.mean(axis=0)) for face in zone.faces]
    fans = [np.cross(face[1:-1] - face[0], face[2:] - face[0]).sum(axis=0) for face in zone.faces]
    volume = sum(height * np.linalg.norm(fan) / 6 for height, fan in zip(heights, fans, strict=True))
    assert volume == pytest.approx((2 * np.pi) ** 3 / lattice.volume)
    wave_number = (3 * np.pi**2 * 2.5 / lattice.volume) ** (1 / 3)
    for sheet in sheets_of_bands(free_electrons(zone, 16, 4), wave_number**2, zone):
        nearest = lattice.reciprocal_lattice.get_all_distances(
            sheet.points @ np.linalg.inv(zone.reciprocal), [[0.0, 0.0, 0.0]]
        )[:, 0]
        np.testing.assert_allclose(np.linalg.norm(sheet.points, axis=1), nearest, atol=1e-5)


@lattices
def test_triangle_through_a_face_is_cut_at_it(lattice):
    zone = BrillouinZone.of(lattice)
    far = 10 * zone.reciprocal
    whole = np.array([[far[0], far[1], -far[0] - far[1]]])  # a plane through the centre
    inside = zone.clip(whole)
    assert len(inside) > 2
    middles = inside.mean(axis=1)
    for face in zone.faces:
        middle = face.mean(axis=0)
        assert (middles @ middle < middle @ middle).all()
    normals = np.cross(inside[:, 1] - inside[:, 0], inside[:, 2] - inside[:, 0])
    assert (normals @ np.cross(far[0], far[1]) > 0).all()  # the orientation stays


def test_surface_of_aluminium_is_at_the_fermi_level(aluminium, hamiltonian, structure):
    assert [sheet.band for sheet in aluminium.sheets] == [1, 2]
    for sheet in aluminium.sheets:
        energies = hamiltonian.eigenvalues(sheet.points @ structure.lattice.matrix.T / (2 * np.pi))[:, sheet.band]
        assert np.sqrt(np.mean((energies - FERMI_EV) ** 2)) < 0.15


def test_density_of_states_of_aluminium(aluminium, hamiltonian):
    """The integral over the surface against counting states at random points; below it are the three electrons."""
    points = np.random.default_rng(0).random((10, 5000, 3))
    energies = np.concatenate([hamiltonian.eigenvalues(block) for block in points])
    counted = 2 * (np.abs(energies - FERMI_EV) < 0.3).sum() / len(energies) / 0.6
    assert aluminium.dos_per_ev == pytest.approx(counted, rel=0.06)
    assert 2 * (energies < FERMI_EV).sum() / len(energies) == pytest.approx(3.0, abs=0.07)


def test_couplings_of_aluminium_come_onto_its_surface(aluminium, hamiltonian):
    found = read_fermi_surface_values(DATA / "epw/al_anisotropic/outputs/crystal.lambda_FS")
    values = values_on_sheets(aluminium, found, hamiltonian, fermi_energy_ev=FERMI_EV)
    assert [len(one) for one in values] == [len(sheet.points) for sheet in aluminium.sheets]
    positive = found.values[found.values > 1e-6]
    for one in values:
        assert positive.min() - 1e-9 < one.min() < one.max() < positive.max() + 1e-9


def test_values_are_interpolated_between_the_states(aluminium, hamiltonian, structure):
    """A function of k with the period of the lattice, known at the states, comes back at the surface."""

    def smooth(fractional):
        return 2.0 + np.cos(2 * np.pi * fractional).sum(axis=1)

    k_points = explicit_k_points((24, 24, 24))
    energies = hamiltonian.eigenvalues(k_points) - FERMI_EV
    point, band = np.nonzero(np.abs(energies) < 1.5)
    cartesian = k_points[point] @ np.linalg.inv(structure.lattice.matrix).T * structure.lattice.a
    found = FermiSurfaceValues(cartesian, band + 1, energies[point, band], smooth(k_points[point]))
    values = values_on_sheets(aluminium, found, hamiltonian, fermi_energy_ev=FERMI_EV)
    for sheet, one in zip(aluminium.sheets, values, strict=True):
        expected = smooth(sheet.points @ structure.lattice.matrix.T / (2 * np.pi))
        np.testing.assert_allclose(one, expected, atol=0.25)
        assert np.abs(one - expected).mean() < 0.05


def test_insulators_and_foreign_values_are_refused(aluminium, hamiltonian, structure):
    with pytest.raises(SpectrumError, match="No band crosses"):
        fermi_surface(hamiltonian, structure, -20.0, spacing=0.5)
    found = read_fermi_surface_values(DATA / "epw/al_anisotropic/outputs/crystal.lambda_FS")
    with pytest.raises(SpectrumError, match="meV away from the bands"):
        values_on_sheets(aluminium, found, hamiltonian, fermi_energy_ev=FERMI_EV + 0.3)
