import numpy as np
import pytest
from ase.data import covalent_radii
from pydantic import ValidationError
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.optimize import brentq

from invdesflow.crystals.geometry import neighbours
from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, mcmillan_tc
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.catalogue import Entry, load_catalogue, load_entries, load_sources, make_document

CATALOGUE = load_catalogue()
ENTRIES = list(load_entries())
FAMILIES = {
    "elements",
    "a15",
    "carbides_nitrides",
    "laves",
    "heusler",
    "borides",
    "graphite_clathrates",
    "borocarbides",
    "antiperovskites_cu3au",
    "chalcogenides_oxides",
    "silicides_germanides",
    "hydrides_ambient",
    "hydrides_measured",
    "hydrides_pressure",
}
SHORTEST_HYDROGEN_BOND = 0.95  # A; the shortest of the catalogue are the cages of CeH9 and LaH10, 1.1 A
LEAST_RATIO = 0.7  # of the sum of covalent radii, hydrogen excepted


def test_there_are_enough_and_every_family_is_there():
    assert len(CATALOGUE) >= 150
    assert {document.family for document in CATALOGUE} >= FAMILIES
    assert len({document.superconductor_id for document in CATALOGUE}) == len(ENTRIES)


@pytest.mark.parametrize("document", CATALOGUE, ids=lambda document: document.name)
def test_every_entry_is_a_sound_crystal(document):
    structure = document.structure
    assert SpacegroupAnalyzer(structure, symprec=0.01).get_space_group_number() == document.space_group_number
    numbers = np.array([site.specie.Z for site in structure])
    first, second, distances = neighbours(structure.lattice.matrix, structure.cart_coords, 4.0)
    ratios = distances / (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
    with_hydrogen = (numbers[first] == 1) | (numbers[second] == 1)
    assert ratios[~with_hydrogen].min(initial=np.inf) > LEAST_RATIO
    assert distances[with_hydrogen].min(initial=np.inf) > SHORTEST_HYDROGEN_BOND


def test_every_value_has_a_source():
    citations = {source.citation for source in load_sources().values()}
    for document in CATALOGUE:
        assert document.lattice_source.split(";")[0] in citations
        for value in [*document.experiment, *document.theory]:
            assert value.source in citations
        assert document.experiment or document.theory


def test_every_source_is_cited():
    cited = {entry.lattice_source for entry in ENTRIES} | {
        value["source"] for entry in ENTRIES for value in (*entry.experiment, *entry.theory)
    }
    assert cited == set(load_sources())


# McMillan (1968), table V: Debye temperatures in K from which, with Tc, lambda was inverted.
DEBYE_K = {
    "Be": 1390, "Al": 428, "Zn": 309, "Ga": 325, "Cd": 209, "In": 112, "Sn": 200, "Hg": 72, "Tl": 79, "Pb": 105,
    "Ti": 425, "V": 399, "Zr": 290, "Nb": 277, "Mo": 460, "Ru": 550, "Hf": 252, "Ta": 258, "W": 390,
    "Re": 415, "Os": 500, "Ir": 420,
}  # fmt: skip


@pytest.mark.parametrize("name", DEBYE_K)
def test_mcmillan_s_lambdas_follow_from_tc(name):
    document = next(document for document in CATALOGUE if document.name == name)
    value = next(value for value in document.theory if "McMillan" in value.source)
    prefactor = DEBYE_K[name] / 1.45

    def tc(coupling):
        return prefactor * mcmillan_tc(coupling, 1.2 / KELVIN_PER_MEV, value.mu_star)

    inverted = brentq(lambda coupling: tc(coupling) - document.experiment[0].tc_k, 0.15, 3.0)
    assert inverted == pytest.approx(value.lambda_, abs=0.03)


def test_allen_dynes_values_are_consistent():
    values = [value for document in CATALOGUE for value in document.theory if "Allen-Dynes" in value.method]
    assert len(values) >= 2
    for value in values:
        recomputed = float(mcmillan_tc(value.lambda_, value.omega_log_mev, value.mu_star))
        assert recomputed == pytest.approx(value.tc_k, rel=0.02)


def entry(**changes) -> dict:
    content = {
        "name": "NbC",
        "family": "test",
        "prototype": "B1",
        "elements": {"A": "Nb", "B": "C"},
        "space_group": "Fm-3m",
        "lattice": {"a": 4.47},
        "lattice_source": "pearson",
        "experiment": [{"tc_k": 11.1, "source": "roberts1976"}],
    }
    return content | changes


def test_a_correct_entry_is_taken():
    assert make_document(Entry.model_validate(entry())).experiment[0].doi == "10.1063/1.555540"


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError):
        Entry.model_validate(entry(tc=11.1))


def test_an_entry_without_a_value_is_refused():
    with pytest.raises(ValidationError):
        Entry.model_validate(entry(experiment=[]))


@pytest.mark.parametrize(
    "changes",
    [
        {"prototype": "B99"},
        {"space_group": "Pm-3m"},
        {"lattice_source": "hearsay"},
        {"experiment": [{"tc_k": 11.1, "source": "hearsay"}]},
        {"experiment": [{"tc_k": 11.1}]},
        {"experiment": [{"tc": 11.1, "source": "roberts1976"}]},
        {"theory": [{"tc_k": 11.1, "source": "roberts1976"}]},
        {"lattice": {"a": 4.47, "c": 4.47}},
    ],
    ids=str,
)
def test_a_wrong_entry_is_named(changes):
    with pytest.raises(ConfigurationError, match="NbC"):
        make_document(Entry.model_validate(entry(**changes)))
