"""Which documents become rows, and what is refused."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from learned import METALS, alloy, coupled, known
from pymatgen.core import Structure

from invdesflow.eliashberg.formulas import allen_dynes_tc
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import DatabaseError, LearningError
from invdesflow.learning.retraining_jobs import situation
from invdesflow.learning.training_set_builder import TrainingSetBuilder, current_training_set
from invdesflow.learning.training_set_documents import TrainingSetDocument
from invdesflow.learning.training_set_rows import Sources, build_training_set
from invdesflow.learning.training_sets import TrainingRow, TrainingSet, freeze
from invdesflow.screening.training.splits import formulas_digest, is_held_out
from invdesflow.superconductors.documents import SuperconductorDocument


@pytest.fixture(scope="module")
def alloys():
    return [known(alloy(*pair)) for pair in combinations(METALS, 2)]


def row(structure, source="electron_phonon:one", **changes):
    labels = {"lambda_": 1.0, "omega_log_mev": 10.0, "tc_k": 7.0}
    fields = {"formula": structure.composition.reduced_formula, "labels": labels, "mu_star": 0.1}
    return TrainingRow(source=source, structure=structure, **(fields | changes))


def test_the_same_sources_give_the_same_set(alloys):
    own = [coupled(alloy("Nb", "Mo", 0.8))]
    first = build_training_set("tc", Sources(superconductors=alloys, electron_phonon=own))
    second = build_training_set("tc", Sources(superconductors=alloys[::-1], electron_phonon=own))
    assert first.document.model_dump(exclude={"created_at", "updated_at"}) == second.document.model_dump(
        exclude={"created_at", "updated_at"}
    )
    changed = [coupled(alloy("Nb", "Mo", 0.8), lambda_=0.91)]
    third = build_training_set("tc", Sources(superconductors=alloys, electron_phonon=changed))
    assert third.document.training_set_id != first.document.training_set_id


def test_the_split_is_that_of_the_formula_and_stays_when_the_set_grows(alloys):
    small = build_training_set("tc", Sources(superconductors=alloys[:60]))
    large = build_training_set("tc", Sources(superconductors=alloys))
    for training_set in (small, large):
        assert {row.formula for row in training_set.held_out} == {
            row.formula for row in training_set.rows if is_held_out(row.formula)
        }
        assert not {row.formula for row in training_set.held_out} & {row.formula for row in training_set.taught}
    assert {row.formula for row in small.held_out} <= {row.formula for row in large.held_out}
    assert 0 < len(large.held_out) < 0.3 * len(large.rows)
    held_out = [row.formula for row in large.held_out]
    assert large.document.held_out_formulas_digest == formulas_digest(held_out)


def test_only_what_converged_and_is_stable_counts(alloys):
    other = [
        coupled(alloy("Nb", second), status=status)
        for second, status in {
            "Mo": "not_converged",
            "V": "dynamically_unstable",
            "W": "insulating",
            "Re": "magnetic",
            "Ru": "failed",
        }.items()
    ]
    weak = [coupled(alloy("Nb", "Ta", 0.9), lambda_=6.0), coupled(alloy("Nb", "Ti", 0.9), lambda_=0.0)]
    document = build_training_set("tc", Sources(superconductors=alloys, electron_phonon=other + weak)).document
    assert document.from_collection == {"superconductors": len(alloys)}
    assert document.left_out == {
        "dynamically unstable": 1,
        "failed": 1,
        "insulating": 1,
        "lambda is not positive": 1,
        "magnetic": 1,
        "not converged": 1,
        "on the verge of instability": 1,
    }


@pytest.mark.parametrize("kind", ["tc", "classifier", "generator"])
def test_the_smoke_protocol_teaches_nothing(alloys, kind):
    trial = [
        coupled(alloy("Nb", "Mo", 0.8), protocol="smoke"),
        coupled(alloy("Nb", "V", 0.8), protocol="smoke", status="magnetic"),
    ]
    found = build_training_set(kind, Sources(superconductors=alloys, electron_phonon=trial)).document
    assert found.from_collection == {"superconductors": len(alloys)}
    assert found.left_out["smoke protocol, whose numbers are no results"] == 2


def test_one_mu_star_for_all():
    """JARVIS publishes at 0.085, and a calculation may have been made at 0.16."""
    published = known(alloy("Nb", "Mo"), 0.9, 15.0, mu_star=0.085, tc_k=11.0)
    own = coupled(alloy("Nb", "Ta"), 0.9, 15.0, mu_star=0.16)
    for mu_star in (0.10, 0.13):
        training_set = build_training_set(
            "tc", Sources(superconductors=[published], electron_phonon=[own]), mu_star=mu_star
        )
        assert {row.mu_star for row in training_set.rows} == {mu_star}
        expected = float(allen_dynes_tc(0.9, 15.0, 15.0, mu_star))
        assert [row.labels["tc_k"] for row in training_set.rows] == pytest.approx([expected] * 2)


def test_a_set_at_another_mu_star_teaches_no_model(database, alloys):
    other = build_training_set("tc", Sources(superconductors=alloys), mu_star=0.13)
    other.save(database)
    with pytest.raises(LearningError, match=r"Tc at mu\* = 0.13; the models learn it at 0.1"):
        situation(database, "tc", other.document.training_set_id)


def test_a_calculation_of_ones_own_replaces_the_published_one():
    doubled = alloy("Nb", "Mo", 1.002)
    doubled.make_supercell([2, 1, 1])
    sources = Sources(superconductors=[known(alloy("Nb", "Mo"))], electron_phonon=[coupled(doubled)])
    training_set = build_training_set("tc", sources)
    assert [row.collection for row in training_set.rows] == ["electron_phonon"]
    assert training_set.document.left_out == {"same formula and structure": 1}


def test_another_pressure_and_another_structure_are_other_rows():
    rock_salt = Structure.from_spacegroup(
        "Fm-3m", alloy("Nb", "Mo").lattice.scale(100), ["Nb", "Mo"], [[0] * 3, [0.5] * 3]
    )
    squeezed = known(alloy("Nb", "Mo", 0.9), pressure_gpa=100.0)
    training_set = build_training_set(
        "tc", Sources(superconductors=[known(alloy("Nb", "Mo")), known(rock_salt), squeezed])
    )
    assert len(training_set.rows) == 3


def test_the_classifier_learns_from_what_is_none():
    sources = Sources(
        electron_phonon=[
            coupled(alloy("Nb", "Mo"), 1.2, 15.0),
            coupled(alloy("Cu", "Ag"), 0.15, 15.0),
            coupled(alloy("Nb", "Ti"), 0.5, 15.0),
            coupled(alloy("Cr", "Ti"), status="magnetic"),
        ]
    )
    training_set = build_training_set("classifier", sources)
    found = {row.formula: row.labels["positive"] for row in training_set.rows}
    assert found == {"NbMo": 1.0, "CuAg": 0.0, "TiCr": 0.0}
    assert training_set.document.left_out == {"Tc between 0.1 and 5 K": 1}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [row(alloy("Nb", "Mo"), labels={"lambda_": np.nan, "omega_log_mev": 1.0, "tc_k": 1.0})],
            "lambda_ that is not",
        ),
        ([row(alloy("Nb", "Mo"), labels={"lambda_": 1.0, "omega_log_mev": 1.0})], "has no tc_k"),
        ([row(alloy("Nb", "Mo")), row(alloy("Nb", "Ta"), "a:b", mu_star=0.16)], r"mu\* = 0.16 and not at 0.1"),
        ([row(alloy("Nb", "Mo"), formula="Nb2Mo2")], "is called Nb2Mo2 and is"),
        ([row(alloy("Nb", "Mo")), row(alloy("Nb", "Mo"), "electron_phonon:two")], "stands in it twice"),
        ([], "nothing to learn from"),
    ],
)
def test_what_is_contaminated_is_refused(rows, problem):
    with pytest.raises(LearningError, match=problem):
        freeze("tc", rows, mu_star=0.10)


def test_one_compound_cannot_stand_on_both_sides_of_the_split():
    """The rule goes by formula: a second name would carry a held-out compound into what is learned."""
    structure = next(alloy(*pair) for pair in combinations(METALS, 2) if is_held_out(alloy(*pair).reduced_formula))
    name = next(
        f"{n}{structure.reduced_formula}" for n in range(2, 99) if not is_held_out(f"{n}{structure.reduced_formula}")
    )
    rows = [row(structure), row(structure, "electron_phonon:two", formula=name)]
    assert [one.held_out for one in rows] == [True, False]
    with pytest.raises(LearningError, match=f"is called {name} and is {structure.reduced_formula}"):
        freeze("tc", rows, mu_star=0.10)


def test_not_a_number_in_the_database_writes_nothing(database, alloys):
    database.collection(SuperconductorDocument).upsert(alloys)
    bad = coupled(alloy("Nb", "Mo", 0.8))
    database.collection(ElectronPhononDocument).upsert([bad])
    database.raw["electron_phonon"].update_one({"elph_id": bad.elph_id}, {"$set": {"lambda_": float("nan")}})
    with pytest.raises(LearningError, match=f"{bad.elph_id} has a lambda_ that is not a number"):
        current_training_set(database, "tc")
    assert database.raw["training_sets"].count_documents({}) == 0
    assert database.raw["data.files"].count_documents({}) == 0
    builder = TrainingSetBuilder(kinds=["tc"])
    builder.run_here(database)
    assert "contaminated" in builder.failures["tc"]


def test_a_set_comes_back_as_it_was_frozen(database, alloys):
    database.collection(SuperconductorDocument).upsert(alloys)
    frozen = current_training_set(database, "tc")
    database.raw["superconductors"].delete_many({})
    loaded = TrainingSet.load(database, frozen.document.training_set_id)
    assert [r.reference() for r in loaded.rows] == [r.reference() for r in frozen.rows]
    assert loaded.rows[3].structure.frac_coords.tolist() == frozen.rows[3].structure.frac_coords.tolist()
    chunk = database.raw["data.chunks"].find_one({})
    database.raw["data.chunks"].update_one({"_id": chunk["_id"]}, {"$set": {"data": chunk["data"][:-1] + b"x"}})
    with pytest.raises(DatabaseError, match="damaged"):
        TrainingSet.load(database, frozen.document.training_set_id)


@pytest.mark.slow
def test_builds_under_mrun_and_only_once(database, alloys, tmp_path):
    database.collection(SuperconductorDocument).upsert(alloys)
    script = tmp_path / "sets.py"
    script.write_text(
        "from invdesflow.learning.training_set_builder import TrainingSetBuilder\n"
        "__builder__ = TrainingSetBuilder(kinds=['tc', 'potential'])\n"
    )
    command = [Path(sys.executable).parent / "mrun", "-n", "2", "--no_bars", script.name]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    [document] = database.collection(TrainingSetDocument).find()
    assert (document.kind, len(document.rows)) == ("tc", len(alloys))
    builder = TrainingSetBuilder(kinds=["tc"])
    builder.run_here(database)
    assert builder.written == 0


def test_the_most_accurate_calculation_of_a_crystal_speaks_alone():
    """Also if it found the crystal unstable; a failed one has not spoken, and another pressure is another crystal."""
    crystal = alloy("Nb", "Mo")
    precise = coupled(crystal, 0.4, tag="precise", protocol="precise")
    fast = [coupled(crystal, 0.9, tag=f"fast {n}") for n in range(4)]  # whichever identifier comes first
    for own in ([precise, *fast], [*fast, precise]):
        [row] = build_training_set("tc", Sources(electron_phonon=own)).rows
        assert (row.source, row.labels["lambda_"]) == (f"electron_phonon:{precise.elph_id}", 0.4)
    other = coupled(alloy("Nb", "Ta"))
    unstable = coupled(crystal, tag="precise", protocol="precise", status="dynamically_unstable")
    for kind in ("tc", "classifier", "generator"):
        training_set = build_training_set(kind, Sources(electron_phonon=[*fast, unstable, other]))
        assert [row.source for row in training_set.rows] == [f"electron_phonon:{other.elph_id}"]
        assert training_set.document.left_out["dynamically unstable"] == 1
    failed = coupled(crystal, tag="precise", protocol="precise", status="failed")
    elsewhere = coupled(crystal, tag="precise", protocol="precise", status="dynamically_unstable", pressure_gpa=50.0)
    training_set = build_training_set("tc", Sources(electron_phonon=[fast[0], failed, elsewhere]))
    assert [row.source for row in training_set.rows] == [f"electron_phonon:{fast[0].elph_id}"]
