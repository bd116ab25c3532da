"""Hosts by prototype, name and query."""

from itertools import islice

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import space_group
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument, Generator, Origin, candidate_document
from invdesflow.intercalation.hosts import HostSettings, find_host, find_hosts, prototype_hosts
from invdesflow.superconductors.catalogue import load_catalogue

FAMILY = {"A": ["Li", "Na", "K", "Rb", "Cs", "Mg", "Ca"], "B": ["Cu", "Ag", "Au", "Pd", "Pt", "Ir", "Rh", "Ni"]}


def known(name):
    return next(document for document in load_catalogue() if document.name == name)


def store(database, structure):
    origin = Origin(kind="import", generator=Generator(name="test"))
    document = candidate_document(structure, origin, [])
    database.collection(CandidateDocument).upsert([document])
    return document.candidate_id


def test_the_family_of_the_paper():
    hosts = list(prototype_hosts("A2BH6", FAMILY))
    assert len({host.name for host in hosts}) == 56
    assert {space_group(host.structure)[1] for host in hosts} == {"Fm-3m"}  # "216-type" counts atoms


def test_a_known_member_is_the_catalogued_crystal_and_another_a_substituted_one():
    by_name = {host.name: host for host in prototype_hosts("A2BH6", {"A": ["K", "Rb"], "B": ["Cu"]})}
    potassium, rubidium = by_name["K2CuH6"], by_name["Rb2CuH6"]
    assert potassium.structure.volume == pytest.approx(known("K2CuH6").structure.volume)
    assert (potassium.replacements, potassium.parents) == ({}, (known("K2CuH6").superconductor_id,))
    assert rubidium.replacements == {"K": "Rb"}
    assert rubidium.structure.volume > potassium.structure.volume


def test_a_family_is_made_one_by_one(monkeypatch):
    made = []
    monkeypatch.setattr("invdesflow.intercalation.hosts.substitute", lambda s, r: made.append(r) or s)
    list(islice(prototype_hosts("A2BH6", FAMILY), 2))
    assert len(made) == 2


def test_another_anion_and_another_prototype():
    (fluoride,) = prototype_hosts("K2PtCl6", {"A": ["K"], "B": ["Ni"], "H": ["F"]})
    assert fluoride.name == "K2NiF6"
    perovskites = {host.name for host in prototype_hosts("perovskite", {"A": ["Ca"], "B": ["C"], "X": ["Ni"]})}
    assert len(perovskites) == 1


@pytest.mark.parametrize(
    ("prototype", "elements", "problem"),
    [
        ("A3BH9", {}, "There is no prototype 'A3BH9'"),
        ("A2BH6", {"A": ["K"]}, "A2BH6 needs elements for B"),
        ("A2BH6", {"A": ["K"], "B": ["Cu"], "Q": ["Li"]}, "A2BH6 has no Q"),
        ("A2BH6", {"A": ["K"], "B": ["Xx"]}, "Xx is no list of elements for B"),
        ("A2BH6", {"A": [], "B": ["Cu"]}, "Nothing is no list of elements for A"),
    ],
)
def test_families_that_cannot_be_made(prototype, elements, problem):
    with pytest.raises(ConfigurationError, match=problem):
        list(prototype_hosts(prototype, elements))


def test_a_known_superconductor_by_formula_and_by_identifier(database):
    by_formula = find_host(database, "CuK2H6")
    by_id = find_host(database, known("K2CuH6").superconductor_id)
    assert by_formula.parents == by_id.parents == (known("K2CuH6").superconductor_id,)
    assert StructureMatcher().fit(by_formula.structure, by_id.structure)


def test_a_formula_of_several_crystals_is_not_guessed(database):
    formulas = [document.reduced_formula for document in load_catalogue()]
    several = next(formula for formula in formulas if formulas.count(formula) > 1)
    with pytest.raises(ConfigurationError, match=rf"known superconductors are {several}. Name one of them"):
        find_host(database, several)


def test_a_candidate_by_the_beginning_of_its_identifier(database):
    identifier = store(
        database, Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.75), ["Re", "O"], [[0] * 3, [0.5, 0, 0]])
    )
    host = find_host(database, identifier[:12])
    assert host.candidate_id == identifier
    assert host.name == identifier[:12]


def test_no_host_at_all(database):
    with pytest.raises(ConfigurationError, match="There is no host"):
        next(find_hosts(database, HostSettings()))


def test_a_wrong_query(database):
    with pytest.raises(ConfigurationError, match="query is wrong"):
        list(find_hosts(database, HostSettings(query={"colour": "red"})))
