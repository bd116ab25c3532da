"""Figures of Fermi surfaces, densities of states and the electron localisation function."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.epw.brillouin_zone import BrillouinZone
from invdesflow.epw.fermi_surface import FermiSurface, sheets_of_bands
from invdesflow.errors import ConfigurationError
from invdesflow.espresso.dos_jobs import ProjectedDos
from invdesflow.espresso.parsers.volumetric import PeriodicFunction
from invdesflow.plotting.fermi_surface import fermi_surface_figure
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.localisation import Plane, localisation_figure
from invdesflow.plotting.projected_dos import projected_dos_figure


@pytest.fixture(scope="module")
def surface():
    """A cosine band, half filled."""
    lattice = Lattice.cubic(3.0)
    zone = BrillouinZone.of(lattice)
    band = -np.cos(2 * np.pi * np.indices((16, 16, 16)) / 16).sum(axis=0)
    sheets = sheets_of_bands(np.stack([band, band + 1.0], axis=-1), 0.1, zone)
    return FermiSurface(lattice, zone, sheets, tuple(np.ones(len(sheet.points)) for sheet in sheets))


@pytest.fixture(scope="module")
def diboride():
    return Structure.from_spacegroup(
        "P6/mmm", Lattice.hexagonal(3.08, 3.51), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
    )


def wave(structure):
    values = 0.5 + 0.4 * np.cos(2 * np.pi * np.indices((12, 12, 12))[0] / 12)
    return PeriodicFunction(structure.lattice.matrix, values)


def test_sheets_and_edges_of_the_zone(surface):
    figure = fermi_surface_figure(surface)
    edges, *sheets = figure.data
    assert [trace.name for trace in sheets] == ["band 1", "band 2"]
    assert np.nanmax(np.abs([edges.x, edges.y, edges.z])) == pytest.approx(np.pi / 3.0)
    for trace in sheets:
        assert max(np.abs(trace.x).max(), np.abs(trace.y).max(), np.abs(trace.z).max()) <= np.pi / 3.0 + 1e-6
        assert trace.intensity is None
    assert sheets[0].color != sheets[1].color


def test_values_colour_all_sheets_on_one_scale(surface):
    values = [np.linspace(0.1, 1.0, len(sheet.points)) for sheet in surface.sheets]
    figure = fermi_surface_figure(surface, values, "lambda")
    for trace, expected in zip(figure.data[1:], values, strict=True):
        np.testing.assert_array_equal(trace.intensity, expected)
        assert trace.coloraxis == "coloraxis"
    assert figure.layout.coloraxis.colorbar.title.text == "lambda"


def test_lines_of_elements_and_orbitals():
    energies = np.linspace(-15, 8, 461)
    parts = {("H", "s"): np.full(461, 0.3), ("Cu", "d"): np.full(461, 1.0), ("Cu", "s"): np.full(461, 0.2)}
    figure = projected_dos_figure(ProjectedDos(energies, np.full(461, 1.6), parts))
    lines = {trace.name: trace.line for trace in figure.data}
    assert list(lines) == ["total", "Cu s", "Cu d", "H s"]
    assert lines["Cu s"].color == lines["Cu d"].color != lines["H s"].color
    assert lines["Cu s"].dash == lines["H s"].dash != lines["Cu d"].dash
    assert figure.layout.yaxis.range[1] == pytest.approx(1.08 * 1.6)


def test_plane_of_bonds_is_that_of_the_boron_sheet(diboride):
    plane = Plane.of_bonds(diboride)
    np.testing.assert_allclose(np.abs(np.cross(*plane.axes)), [0, 0, 1], atol=1e-9)
    assert plane.middle[2] == pytest.approx(3.51 / 2)
    figure = localisation_figure(wave(diboride), diboride, plane)
    assert set(figure.data[1].text) == {"B"}
    bonds = np.hypot(figure.data[1].x, figure.data[1].y)
    assert sorted(bonds)[1:4] == pytest.approx([3.08 / 3**0.5] * 3)


def test_contours_are_the_function_on_the_plane(diboride):
    plane = Plane.through(diboride.lattice.get_cartesian_coords([[0, 0, 0], [1, 0, 0], [0, 0, 1]]))
    contour = localisation_figure(wave(diboride), diboride, plane, size_angstrom=6.16).data[0]
    middle = np.array(contour.z)[120]
    np.testing.assert_allclose(middle, 0.5 + 0.4 * np.cos(2 * np.pi * np.array(contour.x) / 3.08), atol=2e-3)


def test_three_points_in_a_line_are_refused():
    with pytest.raises(ConfigurationError, match="in a line"):
        Plane.through([[0, 0, 0], [1, 0, 0], [2.5, 0, 0]])


def test_picture_of_a_surface(tmp_path, surface, browser):
    path = tmp_path / "surface.png"
    write_figure(fermi_surface_figure(surface), path, width=400)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000
