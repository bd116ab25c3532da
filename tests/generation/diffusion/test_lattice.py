"""Lattice components, against cells that pymatgen builds for every crystal family."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice
from scipy.linalg import logm
from scipy.spatial.transform import Rotation

from invdesflow.generation.diffusion.lattice import BASIS, FAMILIES, components_of, lattice_of

length = st.floats(2.0, 15.0)
angle = st.floats(65.0, 115.0)


def cell(family: str, lengths: tuple[float, float, float], angles: tuple[float, float, float]) -> Lattice:
    a, b, c = lengths
    return {
        "cubic": lambda: Lattice.cubic(a),
        "tetragonal": lambda: Lattice.tetragonal(a, c),
        "hexagonal": lambda: Lattice.hexagonal(a, c),
        "orthorhombic": lambda: Lattice.orthorhombic(a, b, c),
        "monoclinic": lambda: Lattice.monoclinic(a, b, c, angles[1]),
        "triclinic": lambda: Lattice.from_parameters(a, b, c, *angles),
    }[family]()


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25)
@given(lengths=st.tuples(length, length, length), angles=st.tuples(angle, angle, angle), seed=st.integers(0, 1000))
def test_masks_hold_for_every_cell_of_the_family_in_any_orientation(family, lengths, angles, seed):
    lattice = cell(family, lengths, angles)
    rotated = lattice.matrix @ Rotation.random(random_state=seed).as_matrix()
    components = components_of(rotated)
    rule = FAMILIES[family]
    fixed = ~np.array(rule.free)
    assert components[fixed] == pytest.approx(np.array(rule.fixed)[fixed], abs=1e-9)
    rebuilt = lattice_of(torch.from_numpy(components)).numpy()
    assert rebuilt @ rebuilt.T == pytest.approx(lattice.matrix @ lattice.matrix.T, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("family", "count"),
    [("cubic", 1), ("hexagonal", 2), ("tetragonal", 2), ("orthorhombic", 3), ("monoclinic", 4), ("triclinic", 6)],
)
def test_free_components_are_as_many_as_free_cell_parameters(family, count):
    assert sum(FAMILIES[family].free) == count


@pytest.mark.parametrize("family", FAMILIES)
def test_no_free_component_leaves_the_family_and_each_is_needed(family):
    """Metric tensors from random free components span exactly as many dimensions as the family has parameters."""
    rule = FAMILIES[family]
    random = np.random.default_rng(0)
    components = np.where(rule.free, random.normal(0, 0.1, (50, 6)), rule.fixed)
    cells = [Lattice(matrix) for matrix in lattice_of(torch.from_numpy(components)).numpy()]
    parameters = np.array([cell.parameters for cell in cells])
    rank = np.linalg.matrix_rank(parameters - parameters.mean(0), tol=1e-6)
    if family in ("cubic", "tetragonal", "hexagonal"):
        assert parameters[:, 0] == pytest.approx(parameters[:, 1])
    if family == "cubic":
        assert parameters[:, 0] == pytest.approx(parameters[:, 2])
    wanted = {"hexagonal": (90, 90, 120), "triclinic": None, "monoclinic": (90, None, 90)}.get(family, (90, 90, 90))
    for column, value in enumerate(wanted or ()):
        if value is not None:
            assert parameters[:, 3 + column] == pytest.approx(value)
    # a = b counts twice in the parameters, but varies once.
    assert rank == sum(rule.free)


def test_components_are_the_matrix_logarithm():
    matrix = Lattice.from_parameters(3, 4, 5, 80, 95, 105).matrix
    logarithm = np.real(logm(matrix @ matrix.T)) / 2
    assert np.einsum("i,ixy->xy", components_of(matrix), BASIS) == pytest.approx(logarithm)


def test_last_component_is_the_volume():
    lattice = Lattice.from_parameters(3, 4, 5, 80, 95, 105)
    assert np.exp(3 * components_of(lattice.matrix)[5]) == pytest.approx(lattice.volume)
