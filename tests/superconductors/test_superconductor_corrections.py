"""A corrected catalogue corrects what is stored, and leaves what others added."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.superconductors import loading
from invdesflow.superconductors.corrections import statements
from invdesflow.superconductors.documents import Calculation, Measurement, SuperconductorDocument
from invdesflow.superconductors.loading import load_catalogue_into, load_documents

SOURCES = loading.load_sources()
CITED = SOURCES["hardy1954"].citation


def carbide(tc_k: float, *, a: float = 4.4, note: str | None = None, told: bool = True) -> SuperconductorDocument:
    """Rock salt as the catalogue has it, of this or an older version."""
    document = SuperconductorDocument.from_structure(
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Nb", "C"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        name="NbC",
        lattice_source="; ".join(filter(None, [CITED, note])),
        dataset_ids=["catalogue:NbC"],
        experiment=[Measurement(tc_k=tc_k, source=CITED)],
    )
    return document.model_copy(update={"catalogued": statements(document)}) if told else document


def from_elsewhere() -> SuperconductorDocument:
    theory = [Calculation(method="linear response", tc_k=9.0, mu_star=0.1, source="a data set")]
    same = carbide(0.0, told=False)
    return same.model_copy(update={"experiment": [], "theory": theory, "dataset_ids": ["jarvis:1"]})


@pytest.fixture
def load(database: Database, monkeypatch: pytest.MonkeyPatch):
    """Load a catalogue of one crystal, and return what is stored then."""

    def load_one(document: SuperconductorDocument) -> tuple[loading.LoadCounts, list[SuperconductorDocument]]:
        monkeypatch.setattr(loading, "load_catalogue", lambda: [document])
        counts = load_catalogue_into(database)
        return counts, list(database.collection(SuperconductorDocument).find())

    return load_one


@pytest.mark.parametrize("told", [True, False])  # documents did not always tell what the catalogue had said
def test_a_corrected_value_takes_the_place_of_the_old_one(database: Database, load, told: bool) -> None:
    database.collection(SuperconductorDocument).upsert([carbide(90.0, told=told)])
    load_documents(database, [from_elsewhere()])
    counts, [stored] = load(carbide(9.0, note="at room temperature"))
    assert (counts.corrected, counts.added) == (1, 0)
    assert [value.tc_k for value in stored.experiment] == [9.0]
    assert [value.tc_k for value in stored.theory] == [9.0]
    assert sorted(stored.dataset_ids) == ["catalogue:NbC", "jarvis:1"]
    assert stored.lattice_source == (f"{CITED}; at room temperature" if told else CITED)
    again, [same] = load(carbide(9.0, note="at room temperature"))
    assert (again.corrected, again.merged, again.unchanged) == (0, 0, 1)
    assert same == stored


def test_a_corrected_crystal_takes_the_place_of_the_old_one(load) -> None:
    load(carbide(9.0, a=5.9))
    counts, [stored] = load(carbide(9.0))
    assert (counts.corrected, counts.added) == (1, 1)
    assert stored.structure.volume == pytest.approx(carbide(9.0).structure.volume)


def test_a_wrong_crystal_that_others_have_too_stays_theirs(database: Database, load) -> None:
    load(carbide(9.0))
    load_documents(database, [from_elsewhere()])
    counts, found = load(carbide(9.0, a=5.9))
    assert counts.corrected == 1
    [left] = [one for one in found if one.dataset_ids == ["jarvis:1"]]
    assert (left.experiment, [value.tc_k for value in left.theory], left.catalogued) == ([], [9.0], [])


def test_the_catalogue_itself_is_loaded_twice_without_a_change(database: Database) -> None:
    first, second = load_catalogue_into(database), load_catalogue_into(database)
    assert (first.corrected, second.corrected, second.added, second.merged) == (0, 0, 0, 0)
    assert second.unchanged == first.added
