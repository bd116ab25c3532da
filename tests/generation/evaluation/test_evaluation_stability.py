"""Displacements, stability and S.U.N. against cases that are counted by hand."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.generation.evaluation.rediscovery import assess_rediscovery, normalised_rmse
from invdesflow.generation.evaluation.stability import Relaxed, assess_stability_metrics, rmsd_to_relaxed
from invdesflow.generation.evaluation.uniqueness import Newness

SPINEL_LIKE = Structure(
    Lattice.orthorhombic(4.0, 5.0, 6.5),
    ["Nb", "Sn", "O", "O"],
    [[0.02, 0.1, 0.03], [0.5, 0.45, 0.6], [0.1, 0.55, 0.3], [0.55, 0.05, 0.85]],
)


def rattled(structure: Structure, rms: float) -> Structure:
    """Move the atoms at random, without moving their centre, by `rms` Angstrom in the root mean square."""
    shifts = np.random.default_rng(3).normal(size=(len(structure), 3))
    shifts -= shifts.mean(axis=0)
    shifts *= rms / np.sqrt((shifts**2).sum(axis=1).mean())
    return Structure(structure.lattice, structure.species, structure.cart_coords + shifts, coords_are_cartesian=True)


@pytest.mark.parametrize("rms", [0.0, 0.02, 0.2])
def test_the_distance_of_a_rattled_crystal_is_the_rattle(rms: float) -> None:
    assert rmsd_to_relaxed(rattled(SPINEL_LIKE, rms), SPINEL_LIKE) == pytest.approx(rms, abs=1e-6)


def test_another_crystal_cannot_be_superposed() -> None:
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert rmsd_to_relaxed(SPINEL_LIKE, salt) is None


def test_stable_unique_and_novel_are_counted_together() -> None:
    new, repeated, known = Newness(True, True, True), Newness(False, True, True), Newness(True, False, False)
    near, far = rattled(SPINEL_LIKE, 0.1), rattled(SPINEL_LIKE, 0.3)
    crystals = [
        Relaxed(near, SPINEL_LIKE, 0.05),  # counts
        Relaxed(near, SPINEL_LIKE, 0.10),  # at the threshold, but repeated
        Relaxed(far, SPINEL_LIKE, -0.01),  # known
        Relaxed(far, SPINEL_LIKE, 0.11),  # not stable
        Relaxed(near, SPINEL_LIKE, None),  # no hull
        Relaxed(near, None, None),  # not relaxed
    ]
    result = assess_stability_metrics(crystals, [new, repeated, known, new, new, None])
    assert (result.stable.count, result.stable.total) == (3, 6)
    assert result.stable_unique_novel.count == 1
    assert (result.relaxed.count, result.hull_known.count) == (5, 4)
    assert (result.matched.count, result.matched.total) == (5, 5)
    assert result.mean_rmsd_angstrom == pytest.approx((3 * 0.1 + 2 * 0.3) / 5, abs=1e-6)
    assert result.mean_e_above_hull_ev_per_atom == pytest.approx((0.05 + 0.10 - 0.01 + 0.11) / 4)


def test_nothing_relaxed_gives_null_and_not_nan() -> None:
    result = assess_stability_metrics([Relaxed(SPINEL_LIKE, None, None)], [None])
    assert result.mean_rmsd_angstrom is None
    assert '"mean_rmsd_angstrom":null' in result.model_dump_json()


def test_answers_must_belong_to_crystals() -> None:
    with pytest.raises(ValueError, match="zip"):
        assess_stability_metrics([], [None])


def test_the_error_of_a_match_is_in_units_of_the_spacing() -> None:
    spacing = (SPINEL_LIKE.volume / len(SPINEL_LIKE)) ** (1 / 3)
    assert normalised_rmse(rattled(SPINEL_LIKE, 0.2), SPINEL_LIKE) == pytest.approx(0.2 / spacing, abs=1e-6)


def test_the_best_sample_counts() -> None:
    spacing = (SPINEL_LIKE.volume / len(SPINEL_LIKE)) ** (1 / 3)
    other = Structure(Lattice.cubic(3.3), ["Nb", "Sn"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    overlapping = Structure(Lattice.cubic(3.3), ["Nb", "Sn"], [[0, 0, 0], [0, 0, 0.1]])
    samples = [rattled(SPINEL_LIKE, 0.3), rattled(SPINEL_LIKE, 0.1), other]
    result = assess_rediscovery([(SPINEL_LIKE, samples), (other, [overlapping]), (other, [])])
    assert (result.match_rate.count, result.match_rate.total) == (1, 3)
    assert result.samples == 3
    assert result.mean_normalised_rmse == pytest.approx(0.1 / spacing, abs=1e-6)


def test_no_match_has_no_error() -> None:
    assert assess_rediscovery([(SPINEL_LIKE, [])]).mean_normalised_rmse is None
