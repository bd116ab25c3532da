"""Coverage and distributions against sets whose answer follows from their making."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import CampaignError
from invdesflow.generation.evaluation.benchmark import evaluate_benchmark
from invdesflow.generation.evaluation.composition_scale import load_scale
from invdesflow.generation.evaluation.coverage import THRESHOLDS, Thresholds, coverage
from invdesflow.generation.evaluation.distributions import distribution_distances
from invdesflow.generation.evaluation.fingerprints import Fingerprints
from invdesflow.generation.evaluation.published import published_results


def points(positions: list[float]) -> Fingerprints:
    """Crystals on a line: at x in structure and at x standard deviations of the first feature in composition."""
    structure, composition = np.zeros((len(positions), 61)), np.zeros((len(positions), 132))
    structure[:, 0] = positions
    composition[:, 0] = np.array(positions) * load_scale()[0]
    return Fingerprints(structure, composition)


def perovskite(a: str, b: str, x: str, length: float) -> Structure:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(length), [a, b, x, x, x], sites)


def test_a_set_covers_itself() -> None:
    crystals = points([0.0, 1.0, 5.0])
    result = coverage(crystals, crystals, Thresholds(0.1, 0.1))
    assert (result.recall.share, result.precision.share) == (1.0, 1.0)
    assert result.mean_structure_distance_recall == 0.0


def test_recall_and_precision_by_hand() -> None:
    # Of the generated ones at 0 and 9 one is near the test set 0.05, 3, 4; it is near one of the three.
    result = coverage(points([0.0, 9.0]), points([0.05, 3.0, 4.0]), Thresholds(0.1, 0.1))
    assert (result.precision.count, result.precision.total) == (1, 2)
    assert (result.recall.count, result.recall.total) == (1, 3)
    assert result.mean_structure_distance_precision == pytest.approx((0.05 + 5.0) / 2)
    assert result.mean_composition_distance_recall == pytest.approx((0.05 + 3.0 + 4.0) / 3)


def test_both_thresholds_must_hold() -> None:
    near, far = points([0.0]), points([0.15])
    assert coverage(near, far, Thresholds(0.2, 0.1)).recall.share == 0.0
    assert coverage(near, far, Thresholds(0.1, 0.2)).recall.share == 0.0
    assert coverage(near, far, Thresholds(0.2, 0.2)).recall.share == 1.0


def test_a_crystal_without_fingerprint_counts_against_the_precision() -> None:
    broken = points([0.0, 0.0])
    broken.structure[1] = np.nan
    assert coverage(broken, points([0.0]), Thresholds(0.1, 0.1)).precision.share == 0.5


def test_an_empty_set_has_no_coverage() -> None:
    with pytest.raises(CampaignError, match="no fingerprints"):
        coverage(points([]), points([0.0]), THRESHOLDS["perov_5"])


def test_equal_sets_have_no_distance() -> None:
    crystals = [perovskite("Sr", "Ti", "O", 3.9), perovskite("Cs", "Pb", "I", 6.3)]
    result = distribution_distances(crystals, crystals[::-1])
    assert (result.density_g_per_cm3, result.elements) == (0.0, 0.0)


def test_distances_by_hand() -> None:
    ternary, binary = perovskite("Sr", "Ti", "O", 3.9), perovskite("Re", "O", "O", 3.9)
    # Two points: the Wasserstein distance is the difference.
    result = distribution_distances([ternary], [binary])
    mass = {"Sr": 87.62, "Ti": 47.867, "O": 15.999, "Re": 186.207}
    gram_per_cm3 = 1.66053907 / 3.9**3
    difference = (mass["Sr"] + mass["Ti"] + 3 * mass["O"] - mass["Re"] - 4 * mass["O"]) * gram_per_cm3
    assert result.density_g_per_cm3 == pytest.approx(abs(difference), rel=1e-3)
    assert result.elements == 1.0


def test_the_benchmark_of_the_test_set_itself() -> None:
    crystals = [perovskite("Sr", "Ti", "O", 3.9), perovskite("Ba", "Ti", "O", 4.0), perovskite("Cs", "Pb", "I", 6.3)]
    overlapping = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0, 0, 0.05]])
    result = evaluate_benchmark("perov_5", [*crystals, overlapping], crystals)
    assert result.validity.structural.share == 0.75
    assert result.coverage.recall.share == 1.0
    assert result.coverage.precision.count == 3
    assert result.distances.generated == 3
    assert result.distances.density_g_per_cm3 == 0.0


def test_an_unknown_benchmark() -> None:
    with pytest.raises(CampaignError, match="perov_5"):
        evaluate_benchmark("perovskites", [], [])


def test_published_results_name_their_source() -> None:
    found = {result.method: result for result in published_results("perov_5")}
    assert found["DiffCSP"].values["density_distance_g_per_cm3"] == 0.1110
    assert all(result.source for result in found.values())
    assert published_results("stability_dft")[0].values["stable_unique_novel_percent"] == 38.57
