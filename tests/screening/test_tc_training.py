"""Training of the baseline Tc model at a size for tests, on crystals made here."""

import gzip
import json
from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")

from invdesflow.errors import ModelError
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.tc_baseline import TcBaseline
from invdesflow.screening.training.electron_phonon_data import Compound, read_alexandria, read_jarvis
from invdesflow.screening.training.evaluation import fit_deviation, report
from invdesflow.screening.training.splits import fold_of
from invdesflow.screening.training.tc_baseline import Recipe, build_table, cross_validate, train

METALS = ("Al", "Ti", "V", "Cr", "Zr", "Nb", "Mo", "Ta", "W", "Re", "Ru", "Rh", "Pd", "Cu", "Ag")
SMALL = Recipe(trees=10, networks=2)


def compound(first, second):
    """CsCl-type alloy whose coupling follows the band filling, as Matthias' rule has it."""
    radius = (Element(first).atomic_radius + Element(second).atomic_radius) * 2 / np.sqrt(3)
    filling = (Element(first).group + Element(second).group) / 2
    mass = (Element(first).atomic_mass + Element(second).atomic_mass) / 2
    structure = Structure(Lattice.cubic(radius), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return Compound(structure, float(0.25 + np.exp(-((filling - 5) ** 2) / 2)), float(200 / np.sqrt(mass)))


@pytest.fixture(scope="module")
def table():
    compounds = [compound(*pair) for pair in combinations(METALS, 2)]
    return build_table(compounds, periodic_table(), np.ones(len(compounds), bool))


@pytest.mark.parametrize(("floor", "factor"), [(1.5, 2.0), (0.2, 0.7)])
def test_the_standard_deviation_that_made_the_errors_is_found(floor, factor):
    generator = np.random.default_rng(7)
    width = np.where(generator.random(20_000) < 0.3, 0.0, generator.lognormal(-0.5, 1.0, 20_000))
    error = generator.normal(0.0, np.hypot(floor, factor * width))
    assert fit_deviation(error, width) == pytest.approx((floor, factor), rel=0.03)


def test_a_few_exact_hits_do_not_make_the_next_one_certain():
    error = np.append(np.random.default_rng(8).normal(0.0, 2.0, 500), np.zeros(5))
    width = np.append(np.ones(500), np.zeros(5))
    # The rows of each width have their own optimum: the five and the one more, and the five hundred.
    floor = np.sqrt((error**2).mean() / 6.0)
    factor = np.sqrt((error[:500] ** 2).mean() - floor**2)
    assert fit_deviation(error, width) == pytest.approx((floor, factor), rel=1e-3)


@pytest.mark.slow
def test_learns_a_known_law(table):
    figures = report(cross_validate(table, SMALL, np.ones(len(table.folds), bool)))
    assert figures["rows"] == len(table.folds) == 105
    assert figures["model: MAE (K)"] < 0.5 * figures["mean of the training set: MAE (K)"]


@pytest.mark.slow
def test_training_is_reproducible_and_loads(table, tmp_path):
    for name in ("one", "two"):
        train(table, periodic_table(), SMALL, tmp_path / name, {})
    first, second = ((tmp_path / name / "tc_baseline.safetensors").read_bytes() for name in ("one", "two"))
    assert first == second
    model = TcBaseline.load(tmp_path / "one" / "tc_baseline.safetensors")
    niobium, silver = compound("Nb", "Mo"), compound("Cu", "Ag")
    predictions = model.predict([niobium.structure, silver.structure])
    assert predictions[0].lambda_ == pytest.approx(niobium.lambda_, rel=0.3)
    assert predictions[0].tc_k > 5 > predictions[1].tc_k


def test_folds_keep_formulas_together_and_are_a_fixed_rule(table):
    assert set(table.folds) == {0, 1, 2, 3, 4}
    # int(sha256(b"MgB2").hexdigest(), 16) % 5, by coreutils' sha256sum and bc
    assert fold_of("MgB2") == 0


def test_readers(tmp_path):
    alexandria = tmp_path / "alexandria.jsonl.gz"
    row = {
        "mat_id": "a",
        "Tc_K": 9.0,
        "lambda_ep": 0.9,
        "wlog_K": 116.04518121550082,
        "dos_ef": -0.1,
        "debye_K": 250.0,
        "lattice": [[3, 0, 0], [0, 3, 0], [0, 0, 3]],
        "species": ["Nb", "Ti"],
        "frac": [[0, 0, 0], [0.5, 0.5, 0.5]],
    }
    with gzip.open(alexandria, "wt") as file:
        file.write(json.dumps(row) + "\n")
    (compound_read,) = read_alexandria(alexandria)
    assert compound_read.omega_log_mev == pytest.approx(10.0)
    assert np.isnan(compound_read.dos_per_atom)
    jarvis = tmp_path / "jarvis.csv.gz"
    poscar = "Nb\\n1.0\\n3 0 0\\n0 3 0\\n0 0 3\\nNb\\n1\\ndirect\\n0 0 0\\n"
    with gzip.open(jarvis, "wt") as file:
        file.write("jid,Tc_K,lambda_ep,wlog_K,poscar\n")
        for coupling, frequency in ((0.9, 200), (-0.1, 200), (9.0, 200), (0.9, 10)):
            file.write(f'J,8,{coupling},{frequency},"{poscar}"\n')
        file.write("J,8,0.9,200,\n")
    (kept,) = read_jarvis(jarvis)
    assert kept.lambda_ == 0.9
    assert np.isnan(kept.tc_k)
    with pytest.raises(ModelError, match="cannot be read"):
        list(read_alexandria(tmp_path / "absent.gz"))
