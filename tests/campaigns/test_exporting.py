import csv

import ase.io
import pytest
from documents import candidate, references, relaxation, rock_salt
from pymatgen.core import Structure

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.exporting import export_candidates
from invdesflow.campaigns.history import candidate_history
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject

RELAXED_A = 4.6


@pytest.fixture
def boride(database):
    document = candidate(rock_salt("Mg", "B"))
    subject = Subject(kind="candidate", id=document.candidate_id)
    database.collection(CandidateDocument).upsert([document])
    database.collection(RelaxationDocument).upsert(
        [*references(), relaxation(subject, rock_salt("Mg", "B", RELAXED_A), -4.2)]
    )
    SummaryBuilder().run_here(database)
    return document


@pytest.mark.parametrize("file_format", ["cif", "poscar"])
def test_structure_files_hold_the_relaxed_crystal(database, boride, tmp_path, file_format):
    assert export_candidates(database, database.candidates(), tmp_path / "out", file_format) == 1
    [file] = (tmp_path / "out").iterdir()
    assert boride.candidate_id in file.name
    text = file.read_text()
    crystal = Structure.from_str(text, fmt=file_format)
    assert crystal.composition.reduced_formula == "MgB"
    assert crystal.volume / len(crystal) == pytest.approx(RELAXED_A**3 / 8, rel=1e-6)


def test_extxyz_carries_the_scalars(database, boride, tmp_path):
    assert export_candidates(database, database.candidates(), tmp_path / "all.extxyz", "extxyz") == 1
    atoms = ase.io.read(tmp_path / "all.extxyz")
    assert atoms.info["candidate_id"] == boride.candidate_id
    assert atoms.info["energy_ev_per_atom"] == pytest.approx(-4.2)


def test_tables(database, boride, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    assert export_candidates(database, database.candidates(), tmp_path / "all.csv", "csv") == 1
    assert export_candidates(database, database.candidates(), tmp_path / "all.parquet", "parquet") == 1
    [row] = csv.DictReader((tmp_path / "all.csv").open())
    assert row["candidate_id"] == boride.candidate_id
    assert float(row["formation_energy_ev_per_atom"]) == pytest.approx(-0.2)
    assert pyarrow.read_table(tmp_path / "all.parquet").to_pylist()[0]["elements"] == ["B", "Mg"]


def test_nothing_unfinished_is_left_behind(database, tmp_path):
    def breaks():
        yield from ()
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        export_candidates(database, breaks(), tmp_path / "all.csv", "csv")
    assert list(tmp_path.glob("all*")) == []


def test_unwritable_and_unknown(database, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        export_candidates(database, [], tmp_path / "file" / "out.csv", "csv")
    with pytest.raises(ConfigurationError, match="docx"):
        export_candidates(database, [], tmp_path / "out", "docx")


def test_history_finds_a_candidate_by_its_first_characters(database, boride):
    history = candidate_history(database, boride.candidate_id[:12])
    assert history.candidate.candidate_id == boride.candidate_id
    assert [found.energy_ev_per_atom for found in history.relaxations] == [pytest.approx(-4.2)]
    with pytest.raises(ConfigurationError, match="No candidate"):
        candidate_history(database, "cand-.*")
