"""Phonons at Gamma of a crystal of springs, followed into the same crystal with more springs."""

from pathlib import Path

import numpy as np
import pytest
from ase import units
from harmonic_hydride import X_GUEST, X_HOST, HarmonicHydride, eg_squared, guest, host
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from invdesflow.errors import IntercalationError
from invdesflow.espresso.parsers.matdyn import PhononModes, read_modes
from invdesflow.intercalation.gamma_modes import THZ_PER_CM1, GammaModes
from invdesflow.intercalation.mode_matching import (
    NetworkModes,
    breathing_mode,
    follow_modes,
    network_element,
    overlaps,
)
from invdesflow.intercalation.site_mapping import SiteMapping, host_cells

DATA = Path(__file__).parents[1] / "data"


def turned(structure, seed=3):
    rotation = Rotation.random(random_state=seed).as_matrix()
    return Structure(Lattice(structure.lattice.matrix @ rotation), structure.species, structure.frac_coords)


def thz(squared):
    return np.sqrt(squared) * units.fs * 1000 / (2 * np.pi)


@pytest.fixture(scope="module")
def host_modes():
    return GammaModes.from_potential(host(), HarmonicHydride(X_HOST), 0.01)


@pytest.fixture(scope="module")
def guest_modes():
    return GammaModes.from_potential(turned(guest()), HarmonicHydride(X_GUEST), 0.01)


def test_eg_mode_is_that_of_its_springs(host_modes, guest_modes):
    for modes, expected in (
        (host_modes, eg_squared(X_HOST, with_x=False)),
        (guest_modes, eg_squared(X_GUEST, with_x=True)),
    ):
        (eg,) = [group for group, label in zip(modes.groups, modes.labels, strict=True) if label == "Eg"]
        assert len(eg) == 2
        assert modes.frequencies_thz[list(eg)] == pytest.approx([thz(expected)] * 2, rel=2e-3)
        assert modes.weight_on("H")[list(eg)] == pytest.approx([1.0, 1.0])


def test_acoustic_modes_do_not_vibrate(host_modes, guest_modes):
    for modes in (host_modes, guest_modes):
        assert np.abs(modes.frequencies_thz[list(modes.acoustic)]).max() < 1e-2
        labels = [label for group, label in zip(modes.groups, modes.labels, strict=True) if set(group) & modes.acoustic]
        assert labels == ["T1u"]


def test_weights_of_the_elements_add_up(guest_modes):
    total = sum(guest_modes.weight_on(element) for element in ("K", "Cu", "Ga", "H"))
    assert total == pytest.approx(np.ones(30))


def test_breathing_mode_is_followed_by_its_vector(host_modes, guest_modes):
    mapping = SiteMapping.find(host_modes.structure, guest_modes.structure, ["Ga"])
    shared = overlaps(host_modes, guest_modes, mapping)
    assert shared.sum(axis=1) == pytest.approx(np.ones(27))
    followed = follow_modes(host_modes, guest_modes, mapping, "H")
    assert sum(mode.degeneracy for mode in followed) == 24
    eg = breathing_mode(followed)
    before, after = thz(eg_squared(X_HOST, with_x=False)), thz(eg_squared(X_GUEST, with_x=True))
    assert (eg.host_thz, eg.guest_thz) == pytest.approx((before, after), rel=2e-3)
    assert eg.overlap == pytest.approx(1.0)
    assert eg.guest_labels == ["Eg"]
    assert eg.softening_percent == pytest.approx(100 * (1 - after / before), abs=0.3)
    t1g = next(mode for mode in followed if mode.label == "T1g")  # alone in its representation
    assert t1g.overlap == pytest.approx(1.0)


def test_half_filled_cell_of_two_host_cells_holds_every_mode(host_modes):
    pair = guest()
    pair.make_supercell([[2, 0, 0], [0, 1, 0], [0, 0, 1]])
    pair.remove_sites([next(index for index, site in enumerate(pair) if site.specie.symbol == "Ga")])
    found = GammaModes.from_potential(pair, HarmonicHydride(X_GUEST), 0.01)
    mapping = SiteMapping.find(host_modes.structure, found.structure, ["Ga"])
    assert mapping.n_cells == 2
    assert overlaps(host_modes, found, mapping).sum(axis=1) == pytest.approx(np.ones(27))
    assert sorted(mapping.sites.ravel()) == sorted(
        index for index, site in enumerate(found.structure) if site.specie.symbol != "Ga"
    )


def test_same_crystal_is_followed_into_itself(host_modes):
    mapping = SiteMapping.find(host_modes.structure, host_modes.structure, [])
    for mode in follow_modes(host_modes, host_modes, mapping, "H"):
        assert (mode.softening_percent, mode.overlap) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_network_modes(host_modes):
    found = NetworkModes.of(host_modes, network_element(["K", "Cu", "H"]))
    mostly_h = host_modes.frequencies_thz[host_modes.weight_on("H") > 0.5]
    assert (found.element, found.count) == ("H", 18)
    assert (found.mean_thz, found.softest_thz) == pytest.approx((mostly_h.mean(), mostly_h.min()))
    with pytest.raises(IntercalationError, match="mostly a motion of Ga"):
        NetworkModes.of(host_modes, "Ga")


def test_displacements_of_matdyn_give_the_same_modes(host_modes):
    masses = np.array([float(site.specie.atomic_mass) for site in host_modes.structure])
    displaced = host_modes.eigenvectors / np.sqrt(masses)[:, None]
    displaced /= np.linalg.norm(displaced.reshape(27, -1), axis=1)[:, None, None]
    written = PhononModes(
        np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        np.array([np.ones(27), (host_modes.frequencies_thz / THZ_PER_CM1).round(6)]),
        np.array([np.zeros_like(displaced), displaced.round(6)]),
    )
    found = GammaModes.from_matdyn(host_modes.structure, written)
    assert sorted(found.labels) == sorted(host_modes.labels)  # T1g and T2u happen to be at one frequency
    assert found.frequencies_thz == pytest.approx(host_modes.frequencies_thz, abs=1e-3)
    assert found.weight_on("H") == pytest.approx(host_modes.weight_on("H"), abs=1e-3)
    with pytest.raises(IntercalationError, match="does not touch Gamma"):
        GammaModes.from_matdyn(
            host_modes.structure, PhononModes(written.q_points[:1], written.frequencies_cm1[:1], written.vectors[:1])
        )


def test_arrays_give_the_modes_back(host_modes):
    again = GammaModes.of_arrays(host_modes.arrays(), host_modes.structure)
    assert (again.groups, again.labels) == (host_modes.groups, host_modes.labels)
    np.testing.assert_array_equal(again.eigenvectors, host_modes.eigenvectors)


def test_other_crystals_are_refused():
    with pytest.raises(IntercalationError, match="is not"):
        host_cells(host(), guest(), ["Li"])
    with pytest.raises(IntercalationError, match="is not"):
        host_cells(guest(), host(), ["Ga"])
    rebuilt = Structure(
        Lattice.orthorhombic(3.1, 5.0, 9.5),
        guest().species,
        np.random.default_rng(1).random((10, 3)),
    )
    with pytest.raises(IntercalationError, match="cannot be followed"):
        SiteMapping.find(host(), rebuilt, ["Ga"])


def test_aluminium_from_matdyn_has_nothing_but_sound():
    half = 7.5 * 0.529177 / 2
    cell = Structure(Lattice([[-half, 0, half], [0, half, half], [-half, half, 0]]), ["Al"], [[0, 0, 0]])
    modes = GammaModes.from_matdyn(cell, read_modes(DATA / "matdyn/al_bands/outputs/matdyn.modes"))
    assert (modes.labels, modes.acoustic) == (("T1u",), frozenset({0, 1, 2}))
    assert np.abs(modes.frequencies_thz).max() < 1e-3
