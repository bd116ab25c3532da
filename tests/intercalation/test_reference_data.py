"""The published results against the catalogue, and the measured errors of the potentials against their crystals."""

import pytest
from harmonic_hydride import guest, host

from invdesflow.crystals.symmetry import conventional
from invdesflow.intercalation.potential_errors import lattice_warnings, load_lattice_errors
from invdesflow.intercalation.published import load_published, published_crystal
from invdesflow.relaxation.potentials import find_potential
from invdesflow.superconductors.catalogue import load_catalogue


@pytest.mark.parametrize("crystal", load_published(), ids=lambda crystal: crystal.formula)
def test_published_values_are_those_of_the_catalogue(crystal):
    (known,) = [document for document in load_catalogue() if document.name == crystal.formula]
    assert known.prototype == crystal.prototype
    assert {value.value for value in crystal.of("tc_k")} == {value.tc_k for value in known.theory}
    assert {value.mu_star for value in crystal.of("tc_k")} == {value.mu_star for value in known.theory}
    (lattice,) = crystal.of("lattice_constant_a")
    assert conventional(known.structure).lattice.a == pytest.approx(lattice.value)
    assert lattice.source in known.lattice_source
    assert (crystal.host is None) == (crystal.guest is None)


def test_hosts_of_guests_are_there_and_contradictions_are_marked():
    formulas = {crystal.formula for crystal in load_published()}
    assert all(crystal.host in formulas for crystal in load_published() if crystal.host)
    k2cuh6 = published_crystal("H6CuK2", 225)
    assert [(value.value, value.where) for value in k2cuh6.of("tc_k")] == [(16, "Table I"), (18, "text")]
    assert any("16 K" in words and "18 K" in words for words in k2cuh6.contradictions)
    assert k2cuh6.of("lambda_") == ()
    assert published_crystal("MgB2", 191) is None


def test_another_polymorph_is_not_the_published_crystal():
    assert published_crystal("K2GaCuH6", 225).of("tc_k")[0].value == 68
    for unlike in (139, None):
        assert published_crystal("K2GaCuH6", unlike) is None


def test_every_potential_was_measured_on_both_families():
    families = {(entry.potential, entry.family.prototype) for entry in load_lattice_errors()}
    assert families == {(p, f) for p in ("CHGNet 0.3.0", "SevenNet 7net-0") for f in ("K2PtCl6", "elpasolite")}
    for entry in load_lattice_errors():
        assert abs(entry.worst_percent) >= entry.mean_percent
        hydrides = [one for one in load_catalogue() if one.prototype == entry.family.prototype and "H" in one.elements]
        assert entry.count + len(entry.failed) == len(hydrides)
        assert entry.worst_crystal in {one.name for one in hydrides}


def test_warning_for_a_crystal_of_the_family_alone():
    digest = find_potential("CHGNet").digest
    (of_host,), (of_guest,) = list(lattice_warnings(host(), digest)), list(lattice_warnings(guest(), digest))
    entry = next(entry for entry in load_lattice_errors() if entry.digest == digest)
    assert f"{entry.mean_percent:.1f} %" in of_host
    assert entry.worst_crystal in of_host
    assert "elpasolite" in of_guest
    fluoride = host()
    fluoride.replace_species({"H": "F"})
    assert list(lattice_warnings(fluoride, digest)) == []
    assert list(lattice_warnings(host(), "another")) == []
