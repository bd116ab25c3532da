from pathlib import Path

import pytest
from documents import caesium_chloride, candidate, relaxation, rock_salt
from pymatgen.analysis.structure_matcher import StructureMatcher

from invdesflow.campaigns.subjects import find_subject
from invdesflow.database import Database
from invdesflow.errors import CampaignError, ConfigurationError, InvDesFlowError, StructureError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.superconductors.documents import SuperconductorDocument

GENERATED, RELAXED = rock_salt("Na", "B", 4.5), rock_salt("Na", "B", 4.9)


@pytest.fixture
def candidate_id(database: Database) -> str:
    """A candidate, relaxed to a larger cell, beside a relaxation that did not converge and one of another crystal."""
    stored = candidate(GENERATED)
    other = candidate(caesium_chloride("Mg", "B"))
    database.collection(CandidateDocument).upsert([stored, other])
    subject = Subject(kind="candidate", id=stored.candidate_id)
    database.collection(RelaxationDocument).upsert(
        [
            relaxation(subject, RELAXED, -3.0),
            relaxation(subject, rock_salt("Na", "B", 5.5), -9.0, converged=False),
            relaxation(Subject(kind="candidate", id="another"), rock_salt("Na", "B", 6.0), -9.0),
        ]
    )
    return stored.candidate_id


@pytest.mark.parametrize("name", ["crystal.cif", "POSCAR"])
def test_a_file_is_its_crystal(name: str, database: Database, tmp_path: Path) -> None:
    GENERATED.to(str(tmp_path / name))
    subject = find_subject(database, str(tmp_path / name))
    assert subject.candidate_id is None
    assert StructureMatcher(scale=False, ltol=1e-3).fit(subject.structure, GENERATED)


def test_a_file_goes_before_a_superconductor_of_its_name(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    GENERATED.to(str(tmp_path / "POSCAR"))
    (tmp_path / "POSCAR").rename(tmp_path / "Al")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StructureError):  # the name does not say which format it has
        find_subject(database, "Al")
    (tmp_path / "Al").unlink()
    (tmp_path / "Al").mkdir()  # a folder is no crystal
    assert find_subject(database, "Al").structure.composition.reduced_formula == "Al"


def test_a_damaged_file_is_told(database: Database, tmp_path: Path) -> None:
    (tmp_path / "crystal.cif").write_text("data_\n_cell_length_a 3\n")
    with pytest.raises(StructureError, match=r"crystal\.cif"):
        find_subject(database, str(tmp_path / "crystal.cif"))


def test_a_candidate_is_its_converged_relaxation(database: Database, candidate_id: str) -> None:
    for name in (candidate_id, candidate_id[:-4]):
        subject = find_subject(database, name)
        assert subject.candidate_id == candidate_id
        assert subject.structure.composition == RELAXED.composition
        assert subject.structure.volume == pytest.approx(RELAXED.volume)


def test_the_beginning_of_two_candidates_is_refused(database: Database, candidate_id: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^2 keys in candidates begin with") as caught:
        find_subject(database, candidate_id[:4])
    assert candidate_id in caught.value.remedy


def test_a_candidate_without_a_relaxation_is_refused(database: Database, candidate_id: str) -> None:
    database.raw["relaxations"].delete_many({"converged": True, "subject.id": candidate_id})
    with pytest.raises(CampaignError, match="no converged relaxation"):
        find_subject(database, candidate_id)


def test_a_known_superconductor_is_found_by_formula_and_identifier(database: Database) -> None:
    by_formula = find_subject(database, "Al")
    [document] = database.collection(SuperconductorDocument).find({"reduced_formula": "Al"})
    assert by_formula.candidate_id is None
    assert by_formula.structure == document.structure
    assert by_formula.structure.composition.reduced_formula == "Al"
    assert by_formula == find_subject(database, document.superconductor_id)


def test_a_known_superconductor_brings_the_pressure_of_its_tc(database: Database, candidate_id: str) -> None:
    """The nearest to that of its crystal: LaH10's lattice is of 150 GPa, its Tc was measured at 170 GPa and above."""
    pressures = {name: find_subject(database, name).tc_pressure_gpa for name in ("Al", "H3S", "LaH10")}
    assert pressures == {"Al": 0.0, "H3S": 200.0, "LaH10": 170.0}
    assert find_subject(database, candidate_id).tc_pressure_gpa is None


def test_a_formula_of_several_is_refused_with_their_pressures(database: Database) -> None:
    find_subject(database, "Al")  # fills the collection
    formulas = [document.reduced_formula for document in database.collection(SuperconductorDocument).find()]
    several = next(formula for formula in sorted(formulas) if formulas.count(formula) > 1)
    with pytest.raises(ConfigurationError, match=f"{formulas.count(several)} known superconductors are") as caught:
        find_subject(database, several)
    for document in database.collection(SuperconductorDocument).find({"reduced_formula": several}):
        assert f"{document.superconductor_id} ({document.pressure_gpa:g} GPa)" in caught.value.remedy


@pytest.mark.parametrize(
    "name", ["Xx", "Al2Cu7Y", "no such file.cif", "../../etc", "$where", "a" * 300, "Al\0", "", " ", "\n"]
)
def test_what_has_no_such_name_is_refused_in_one_line(name: str, database: Database, candidate_id: str) -> None:
    with pytest.raises(InvDesFlowError) as caught:
        find_subject(database, name)
    assert "\n" not in str(caught.value).replace(name, "")
    assert caught.value.remedy
