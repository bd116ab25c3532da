"""Hosts and guests from names to stored candidates."""

import json
import shutil
from pathlib import Path

import pytest
from ase.calculators.emt import EMT
from monty.json import MontyDecoder
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from study_documents import relaxation

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.crystals.symmetry import primitive
from invdesflow.errors import CampaignError, ConfigurationError, EspressoError, IntercalationError, StructureError
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.generation.documents import CandidateDocument
from invdesflow.intercalation.account import IntercalateOutput
from invdesflow.intercalation.charge_voids import ChargeSettings
from invdesflow.intercalation.fillings import OrderingSettings, fill
from invdesflow.intercalation.guests import GuestSettings
from invdesflow.intercalation.hosts import HostSettings
from invdesflow.intercalation.jobs import IntercalateMaker
from invdesflow.intercalation.refinement import RefineSettings, refine_by_energy
from invdesflow.intercalation.voids import VoidSettings, find_voids
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.superconductors.catalogue import load_catalogue
from invdesflow.superconductors.loading import load_catalogue_into

DEBIAN_UPFS = Path("/usr/share/espresso/pseudo")


@pytest.fixture
def filled(database):
    load_catalogue_into(database)
    return database


def run(maker):
    return maker.make.original(maker, "test", 0)


def intercalate(*names, **settings):
    return run(IntercalateMaker(hosts=HostSettings(names=list(names)), **settings))


def known(name):
    return next(document for document in load_catalogue() if document.name == name)


def candidate(database, identifier):
    return database.collection(CandidateDocument).get(identifier)


def test_the_crystal_of_the_paper_comes_out_of_its_host(filled):
    output = intercalate("K2CuH6", guests=["Ga", "Li"])
    host, gallium, lithium = (candidate(filled, identifier) for identifier in output.candidate_ids)
    matcher = StructureMatcher()
    assert matcher.fit(host.structure, known("K2CuH6").structure)
    assert matcher.fit(gallium.structure, known("K2GaCuH6").structure)
    assert matcher.fit(lithium.structure, known("K2LiCuH6").structure)
    assert gallium.novelty.matched_id == known("K2GaCuH6").superconductor_id
    assert gallium.status == "accepted"
    assert host.origins[0].conditions == {"role": "host"}
    assert host.origins[0].parents == [known("K2CuH6").superconductor_id]
    origin = gallium.origins[0]
    assert (origin.kind, origin.parents) == ("intercalation", [host.candidate_id])
    assert origin.conditions["guests"] == {"Ga": 1}
    assert origin.conditions["sites"] == ["4b"]
    assert [(pair.guests, pair.sites, pair.filling) for pair in output.pairs] == [
        ({"Ga": 1}, ["4b"], 1.0),
        ({"Li": 1}, ["4b"], 1.0),
    ]


def test_the_same_round_again_stores_nothing_new(filled):
    first = intercalate("K2CuH6", guests=["Ga"])
    again = intercalate("K2CuH6", guests=["Ga"])
    assert again.pairs == first.pairs
    assert again.record.reused == 1
    assert filled.collection(CandidateDocument).count() == 2
    assert len(candidate(filled, first.pairs[0].guest_id).origins) == 1


def test_a_named_guest_that_does_not_fit_becomes_a_rejected_candidate(filled):
    output = intercalate("K2CuH6", guests=["Ga", "Cl", "Cs"])
    assert len(output.pairs) == 1
    assert output.record.rejected == {"guest_electronegativity": 1, "guest_size": 1}
    for refusal in output.refusals:
        document = candidate(filled, refusal.candidate_id)
        assert document.status == "rejected"
        assert document.rejections == [refusal.rejection]
    assert "Cs is too large" in output.refusals[1].rejection.reason


def test_all_elements_are_tried_where_none_is_named(filled):
    output = intercalate("Na2AgH6", most=None)
    guests = {symbol for pair in output.pairs for symbol in pair.guests}
    refused = {symbol for refusal in output.refusals for symbol in refusal.guests}
    assert {"Li", "Ga", "In", "Al", "Mg"} <= guests
    assert {"F", "Cl", "O", "Cs"} <= refused
    assert guests.isdisjoint(refused)
    assert all(refusal.rejection.reason for refusal in output.refusals)


def test_a_family_is_made_as_far_as_it_is_wanted(filled):
    family = HostSettings(prototype="A2BH6", elements={"A": ["Na", "K"], "B": ["Cu", "Ag"]})
    output = run(IntercalateMaker(hosts=family, guests=["Li"], most=3))
    assert len(output.pairs) == 3
    assert "stopped at most = 3" in output.record.note
    formulas = [candidate(filled, pair.host_id).reduced_formula for pair in output.pairs]
    assert formulas == ["Na2CuH6", "Na2AgH6", "K2CuH6"]


def test_two_guests_share_the_voids(filled):
    mixed = [{"4b": {"Ga": 0.5, "Li": 0.5}}]
    output = intercalate("K2CuH6", fillings=mixed, orderings=OrderingSettings(max_cells=2))
    assert [pair.guests for pair in output.pairs] == [{"Ga": 1, "Li": 1}] * 2  # L1_0 and L1_1 orders of a fcc lattice
    with pytest.raises(IntercalationError, match=r"K2CuH6 has no void 4x. Its voids are 4b"):
        intercalate("K2CuH6", fillings=[{"4x": {"Ga": 1.0}}])


def test_a_relaxed_cell_file_and_a_stored_candidate_are_hosts(filled, tmp_path):
    path = tmp_path / "host.cif"
    known("K2CuH6").structure.to(str(path))
    output = intercalate(str(path), guests=["Ga"])
    again = intercalate(output.pairs[0].host_id, guests=["Ga"])
    assert again.pairs == output.pairs


def test_guests_are_the_same_after_their_host_was_relaxed(filled):
    host_id = intercalate("K2CuH6", guests=["Li"]).pairs[0].host_id
    first = intercalate(host_id, guests=["Ga"])
    wider = candidate(filled, host_id).structure
    wider.scale_lattice(1.1 * wider.volume)
    filled.collection(RelaxationDocument).upsert([relaxation(wider, -25.8, host_id)])
    again = intercalate(host_id, guests=["Ga"])
    assert again.pairs == first.pairs
    assert again.record.reused == 1


@pytest.mark.parametrize("name", ["Xx9", "Cs9BrF7", "no-such-file.cif"])
def test_a_host_that_nobody_knows(filled, name):
    with pytest.raises(ConfigurationError, match="no file, no candidate and no known superconductor"):
        intercalate(name, guests=["Li"])


def test_a_disordered_host(filled, tmp_path):
    path = tmp_path / "alloy.cif"
    Structure(Lattice.cubic(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]).to(str(path))
    with pytest.raises(StructureError):
        intercalate(str(path), guests=["Li"])


def test_a_guest_that_fits_nowhere_says_why(filled):
    with pytest.raises(IntercalationError, match=r"No guest fits into the host: Cs is too large"):
        intercalate("K2CuH6", guests=["Cs"])
    assert filled.collection(CandidateDocument).count({"status": "rejected"}) == 1


@pytest.mark.parametrize("settings", [{"guests": []}, {"fractions": []}, {"most": 0}, {"n_voids": 0}])
def test_nothing_to_do(settings):
    with pytest.raises(CampaignError, match="nothing to intercalate"):
        intercalate("K2CuH6", **settings)


def test_an_ordering_explosion_is_counted(filled):
    with pytest.raises(IntercalationError, match=r"There are at least \d+ orderings .* Lower max_cells"):
        intercalate("K2CuH6", guests=["Ga"], fractions=[0.5], orderings=OrderingSettings(max_cells=8))


def test_every_candidate_of_a_query_is_a_host(filled):
    intercalate("K2CuH6", "Na2AgH6", guests=["Li"])
    SummaryBuilder().run_here(filled)
    hosts = HostSettings(query={"elements": ["H"], "nelements": 3})
    output = run(IntercalateMaker(hosts=hosts, guests=["Ga"]))
    formulas = {candidate(filled, pair.host_id).reduced_formula for pair in output.pairs}
    assert formulas == {"K2CuH6", "Na2AgH6"}


def test_a_host_without_room_does_not_stop_the_others(filled, tmp_path):
    dense = tmp_path / "dense.cif"
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]]).to(str(dense))
    output = intercalate(str(dense), "K2CuH6", guests=["Ga"], voids=VoidSettings(min_radius_a=2.1))
    assert len(output.pairs) == 1
    assert output.record.rejected == {"room": 1}
    assert output.refusals[0].rejection.reason == "Al has no voids."


def test_hosts_that_are_none_do_not_stop_the_others(filled, tmp_path):
    alloy = tmp_path / "alloy.cif"
    Structure(Lattice.cubic(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]).to(str(alloy))
    output = intercalate(str(alloy), "Xx9", "K2CuH6", guests=["Ga"])
    assert len(output.pairs) == 1
    assert output.record.rejected == {"host": 2}
    assert [refusal.host_id for refusal in output.refusals] == [str(alloy), "Xx9"]
    assert "no file, no candidate" in output.refusals[1].rejection.reason
    with pytest.raises(IntercalationError, match="no file, no candidate"):
        intercalate(str(alloy), "Xx9", guests=["Ga"])


def test_an_element_without_a_volume_loses_one_member_of_a_family(filled):
    family = HostSettings(prototype="A2BH6", elements={"A": ["Og", "K"], "B": ["Cu"]})
    output = run(IntercalateMaker(hosts=family, guests=["Ga"]))
    assert [refusal.host_id for refusal in output.refusals] == ["A2BH6 of Og, Cu, H"]
    assert len(output.pairs) == 1


def test_a_refused_guest_whose_crystal_cannot_be_described(filled, monkeypatch):
    def described(structure, fillings, settings=None):
        if "Cs" in fillings[0].guests:
            raise IntercalationError("The sites are no orbit of the host.")
        return fill(structure, fillings, settings)

    monkeypatch.setattr("invdesflow.intercalation.jobs.fill", described)
    output = intercalate("K2CuH6", guests=["Cs", "Ga"])
    assert [pair.guests for pair in output.pairs] == [{"Ga": 1}]
    assert [(refusal.guests, refusal.candidate_id) for refusal in output.refusals] == [(["Cs"], None)]


def test_maker_and_output_survive_json(filled):
    maker = IntercalateMaker(
        hosts=HostSettings(names=["K2CuH6"]), guests=["Ga"], orderings=OrderingSettings(max_cells=2)
    )
    again = MontyDecoder().process_decoded(json.loads(json.dumps(maker.as_dict())))
    assert again == maker
    output = run(again)
    assert IntercalateOutput.model_validate(json.loads(output.model_dump_json())) == output


class Broken(EMT):
    """A potential that gives no number."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["energy"] = float("nan")


def test_the_void_of_the_lowest_energy_goes_first(database, tmp_path, monkeypatch):
    palladium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.89), ["Pd"], [[0, 0, 0]])
    palladium.to(str(tmp_path / "Pd.cif"))
    name, cell = str(tmp_path / "Pd.cif"), primitive(palladium)
    energies = {one.void.wyckoff: one.energy_ev for one in refine_by_energy(cell, find_voids(cell), "H", EMT())}
    loose = GuestSettings(min_fit=0.5)
    monkeypatch.setattr("invdesflow.intercalation.refinement.load_calculator", lambda _: EMT())
    output = intercalate(name, guests=["H"], fit=loose, refine=RefineSettings())
    best = min(energies, key=energies.get)
    assert [pair.sites for pair in output.pairs] == [[best]]
    conditions = candidate(database, output.pairs[0].guest_id).origins[0].conditions
    assert conditions["site_energies_ev"] == {best: 0.0}
    assert conditions["site_energies_converged"]
    both = intercalate(name, guests=["H"], fit=loose, refine=RefineSettings(), n_voids=2)
    (_, worse) = (candidate(database, pair.guest_id).origins[-1].conditions["site_energies_ev"] for pair in both.pairs)
    assert worse == pytest.approx({name: energy for name, energy in energies.items() if name != best}, abs=1e-3)


def test_a_guest_that_the_potential_does_not_know_is_recorded(database, tmp_path, monkeypatch):
    palladium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.89), ["Pd"], [[0, 0, 0]])
    palladium.to(str(tmp_path / "Pd.cif"))
    monkeypatch.setattr("invdesflow.intercalation.refinement.load_calculator", lambda _: Broken())
    with pytest.raises(IntercalationError, match="not finite"):
        intercalate(
            str(tmp_path / "Pd.cif"), guests=["H"], fit=GuestSettings(min_fit=0.5), refine=RefineSettings(max_steps=0)
        )


def test_a_host_that_a_gate_refuses_says_so(database, tmp_path):
    Structure(Lattice.cubic(0.9), ["Fe"], [[0, 0, 0]]).to(str(tmp_path / "dense.cif"))
    with pytest.raises(IntercalationError, match=r"^No host can take guests: Fe-Fe at 0\.90 A"):
        intercalate(str(tmp_path / "dense.cif"), guests=["Li"])


@pytest.mark.skipif(
    shutil.which("pw.x") is None or shutil.which("pp.x") is None or not DEBIAN_UPFS.is_dir(),
    reason="Quantum ESPRESSO is not installed",
)
def test_voids_where_the_electrons_of_a_real_run_are_fewest(filled, tmp_path):
    """In fcc aluminium the density is lowest in the octahedral void, where geometry puts it, too."""
    aluminium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])
    aluminium.to(str(tmp_path / "Al.cif"))
    charge = {"protocol": "smoke", "family": str(DEBIAN_UPFS), "files": {"Al": "Al.pz-vbc.UPF"}}
    maker = IntercalateMaker(
        hosts=HostSettings(names=[str(tmp_path / "Al.cif")]),
        guests=["Li"],
        charge=ChargeSettings(**charge, overrides={"k_spacing": 0.5}),
    )
    (pair,) = run(maker).pairs
    assert pair.sites == ["4b"]
    steps = [task.program for task in filled.collection(EspressoTaskDocument).find({})]
    assert sorted(steps) == ["pp.x", "pw.x"]
    [density] = filled.collection(EspressoTaskDocument).find({"program": "pp.x"})
    assert density.results["n_electrons"] == pytest.approx(3.0, abs=1e-3)


def test_a_density_that_cannot_be_calculated_says_why(filled, tmp_path):
    with pytest.raises(EspressoError, match="no pseudopotential of Cu"):
        intercalate("K2CuH6", guests=["Li"], charge=ChargeSettings(family=str(tmp_path)))
