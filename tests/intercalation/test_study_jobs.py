"""Studies in a database: first with what the potential knows, then with electron-phonon calculations."""

import numpy as np
import pytest
from harmonic_hydride import X_GUEST, X_HOST, HarmonicHydride
from pymatgen.core import Lattice, Structure
from study_documents import CELLS, GUEST, HOST, POTENTIAL, calculation, relaxation, screening

from invdesflow.database.arrays import pack_arrays, unpack_arrays
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError
from invdesflow.intercalation import known_crystals
from invdesflow.intercalation.documents import IntercalationStudyDocument, Pair
from invdesflow.intercalation.gamma_modes import GammaModes
from invdesflow.intercalation.study import StudySettings
from invdesflow.intercalation.study_jobs import StudyMaker, build_studies, refresh_studies_of, refresh_study
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument
from invdesflow.screening.phonon_spectrum import Spectrum
from invdesflow.screening.phonons import PhononResult, PhononSettings

PAIR = Pair(host_id=HOST, guest_id=GUEST, guests={"Ga": 1}, sites=["4b"], filling=1.0)
ENERGIES = {"K": -1.0, "Cu": -4.0, "H": -3.0, "Ga": -2.5}


def phonons(candidate_id, relaxed, status="stable", **settings) -> PhononDocument:
    spectrum = Spectrum(
        acoustic_thz=[0.0] * 3, lowest_thz=1.0, highest_thz=50.0, lowest_interpolated_thz=None, imaginary_modes=[]
    )
    result = PhononResult(status, "" if status == "stable" else "it broke", spectrum=spectrum, wall_time_s=1.0)
    return PhononDocument.from_result(
        relaxed.final_structure,
        result,
        POTENTIAL,
        PhononSettings(**settings),
        candidate_id=candidate_id,
        relaxation_id=relaxed.relaxation_id,
    )


@pytest.fixture
def springs(monkeypatch):
    """Let springs stand for the weights; count how often they are loaded."""
    loaded = []

    class Either:
        """The springs of whichever crystal comes."""

        def __init__(self):
            self.of = {9: HarmonicHydride(X_HOST), 10: HarmonicHydride(X_GUEST, 7.5)}

        def get_forces(self, atoms):
            return self.of[len(atoms)].get_forces(atoms)

    def load(_):
        loaded.append(1)
        return Either()

    monkeypatch.setattr(known_crystals, "find_potential", lambda *_: POTENTIAL)
    monkeypatch.setattr(known_crystals, "load_calculator", load)
    return loaded


@pytest.fixture
def stored(database):
    relaxations = {
        HOST: relaxation(CELLS[HOST], -25.8, HOST),
        GUEST: relaxation(CELLS[GUEST], -27.1, GUEST),
    }
    elements = [
        relaxation(Structure(Lattice.cubic(3.0), [symbol], [[0, 0, 0]]), energy, symbol, kind="element")
        for symbol, energy in ENERGIES.items()
    ]
    database.collection(RelaxationDocument).upsert([*relaxations.values(), *elements])
    found = {name: phonons(name, relaxed) for name, relaxed in relaxations.items()}
    database.collection(PhononDocument).upsert(found.values())
    database.collection(ScreeningDocument).upsert(
        [screening(name, relaxations[name].relaxation_id, tc) for name, tc in ((HOST, 16.0), (GUEST, 60.0))]
    )
    return (
        {name: relaxed.relaxation_id for name, relaxed in relaxations.items()},
        {name: document.phonon_id for name, document in found.items()},
    )


def run(pairs, stored, settings=None):
    maker = StudyMaker(settings=settings or StudySettings())
    return StudyMaker.make.original(maker, pairs, *stored, "test", 2)


def calculate(database, *names):
    values = {HOST: (0.6, 16.0), GUEST: (1.8, 68.0)}
    for name in names:
        document, arrays = calculation(name, *values[name])
        blob = database.blobs.put(pack_arrays(arrays))
        database.collection(ElectronPhononDocument).upsert([document.model_copy(update={"arrays": blob})])


def test_study_before_first_principles(database, stored, springs):
    output = run([PAIR], stored)
    assert (output.record.entered, output.record.passed) == (1, 1)
    study = database.collection(IntercalationStudyDocument).get(output.study_ids[0])
    assert (study.host_formula, study.network_element, study.pressure_gpa) == ("K2CuH6", "H", 0.0)
    assert study.provenance.campaign_round == 2
    (pair,) = study.pairs
    assert (pair.formula, pair.host_cells, pair.pair) == ("K2GaCuH6", 1, PAIR)
    assert pair.energy.intercalation_ev == pytest.approx(1.2)
    assert pair.prediction.tc_k.difference == 44.0
    assert (pair.tc_k.difference, pair.verified) == (44.0, False)
    assert pair.phonons.breathing.guest_labels == ["Eg"]
    assert pair.phonons.breathing.overlap == pytest.approx(1.0)
    assert (pair.phonons.host_status, pair.phonons.guest_status) == ("stable", "stable")
    assert "Neither" in pair.coupling.lambda_.reason
    assert "Neither" in pair.coupling_phonons.breathing_reason
    assert pair.guest.relaxation_id == stored[0][GUEST]


def test_first_principles_fill_in_the_same_study(database, stored, springs):
    first = run([PAIR], stored)
    calculate(database, HOST)
    (half,) = build_studies(database, [PAIR], *stored)
    assert "Only one" in half.pairs[0].coupling.tc_reason
    calculate(database, GUEST)
    before = database.collection(IntercalationStudyDocument).get(first.study_ids[0])
    again = refresh_study(database, before)
    assert again.study_id == before.study_id
    assert again.provenance == before.provenance
    kept = database.collection(IntercalationStudyDocument).get(first.study_ids[0])
    (pair,) = kept.pairs
    assert pair.verified
    assert pair.tc_k.difference == pytest.approx(52.0)
    assert pair.coupling.lambda_.guest == 1.8
    assert pair.guest.elph_id == "elph-00bb"
    assert "has no phonons" in pair.coupling_phonons.breathing_reason
    assert kept.created_at == before.created_at
    assert springs == [1]  # phonons at Gamma were stored


def test_a_study_is_compared_again_as_it_was_before(database, stored, springs):
    asked = StudySettings(network_element="Cu", window_boundaries_mev=(30.0, 90.0))
    first = run([PAIR], stored, asked)
    calculate(database, HOST, GUEST)
    again = refresh_study(database, database.collection(IntercalationStudyDocument).get(first.study_ids[0]))
    assert (again.network_element, again.window_boundaries_mev) == ("Cu", (30.0, 90.0))
    for windows in (again.pairs[0].coupling.host_windows, again.pairs[0].coupling.guest_windows):
        assert [window.high_mev for window in windows[:-1]] == [30.0, 90.0]


def test_stability_is_that_of_the_screening(database, stored, springs):
    for name, above, missing in ((HOST, 0.01, []), (GUEST, 0.04, ["Ga-H"])):
        known = database.collection(ScreeningDocument).get(f"scr-{name}-mm")
        placed = {"e_above_hull_ev_per_atom": above, "hull_systems_missing": missing}
        database.collection(ScreeningDocument).upsert([known.model_copy(update=placed)])
    (study,) = build_studies(database, [PAIR], *stored)
    stability = study.pairs[0].stability
    assert stability.above_hull_ev_per_atom.difference == pytest.approx(0.03)
    assert stability.missing_systems == ["Ga-H"]


def test_stored_modes_are_those_of_the_springs(database, stored, springs):
    study_id = run([PAIR], stored).study_ids[0]
    study = database.collection(IntercalationStudyDocument).get(study_id)
    arrays = unpack_arrays(database.blobs.get(study.arrays))
    direct = GammaModes.from_potential(CELLS[HOST], HarmonicHydride(X_HOST), PhononSettings().displacement)
    name = f"{stored[1][HOST]}.frequencies_thz"
    np.testing.assert_allclose(arrays[name], direct.frequencies_thz, atol=1e-6)


def test_new_guests_join_the_study_of_their_host(database, stored, springs):
    run([PAIR], stored)
    other = "cand-00000000000000cc"
    lithium = CELLS[GUEST].copy()
    lithium.replace_species({"Ga": "Li"})
    relaxed = relaxation(lithium, -26.0, other, reason="not converged after 300 steps")
    database.collection(RelaxationDocument).upsert([relaxed])
    pair = PAIR.model_copy(update={"guest_id": other, "guests": {"Li": 1}})
    output = run([pair], ({HOST: stored[0][HOST], other: relaxed.relaxation_id}, {HOST: stored[1][HOST]}))
    study = database.collection(IntercalationStudyDocument).get(output.study_ids[0])
    assert [one.formula for one in study.pairs] == ["K2GaCuH6", "K2LiCuH6"]  # what is unknown comes last
    lost = study.pairs[1]
    assert "not converged" in lost.structure.volume_a3.reason
    assert "not converged" in lost.energy.intercalation_reason
    assert "not both were screened" in lost.tc_k.reason
    assert "not asked for" in lost.phonons.breathing_reason
    assert study.guest_elements == ["Ga", "Li"]


def test_unequal_phonons_are_not_compared(database, stored, springs):
    relaxed = database.collection(RelaxationDocument).get(stored[0][GUEST])
    other = phonons(GUEST, relaxed, displacement=0.02)
    database.collection(PhononDocument).upsert([other])
    (study,) = build_studies(database, [PAIR], stored[0], {**stored[1], GUEST: other.phonon_id})
    assert "displacement (0.06 and 0.02)" in study.pairs[0].phonons.breathing_reason


def test_failed_phonons_say_why(database, stored, springs):
    relaxed = database.collection(RelaxationDocument).get(stored[0][GUEST])
    other = phonons(GUEST, relaxed, status="failed", min_length=8.0)
    database.collection(PhononDocument).upsert([other])
    (study,) = build_studies(database, [PAIR], stored[0], {**stored[1], GUEST: other.phonon_id})
    assert study.pairs[0].phonons.softest_thz.reason == "K2GaCuH6: it broke"


def test_crystals_that_were_not_relaxed_are_counted(database, stored, springs):
    lost = PAIR.model_copy(update={"guest_id": "cand-00000000000000dd"})
    orphan = PAIR.model_copy(update={"host_id": "cand-00000000000000ee"})
    output = run([PAIR, lost, orphan], stored)
    assert output.record.rejected == {"a guest that was not relaxed": 1, "a host that was not relaxed": 1}
    assert (output.record.entered, output.record.passed, len(output.study_ids)) == (3, 1, 1)
    with pytest.raises(IntercalationError, match="was not relaxed"):
        list(build_studies(database, [orphan], *stored))


def forget(database, model, identifier):
    database.raw[model.collection].delete_one({model.key: identifier})


def test_a_guest_whose_relaxation_is_gone_stays_as_it_was(database, stored, springs):
    first = database.collection(IntercalationStudyDocument).get(run([PAIR], stored).study_ids[0])
    forget(database, RelaxationDocument, stored[0][GUEST])
    refresh_studies_of(database, [HOST])
    again = database.collection(IntercalationStudyDocument).get(first.study_id)
    assert again.pairs == first.pairs
    (warning,) = again.warnings
    assert warning == f"K2GaCuH6 is shown as an earlier look compared it: {GUEST} was not relaxed."


def test_a_study_whose_host_is_gone_does_not_end_a_verification(database, stored, springs):
    first = database.collection(IntercalationStudyDocument).get(run([PAIR], stored).study_ids[0])
    forget(database, RelaxationDocument, stored[0][HOST])
    for _ in range(2):
        refresh_studies_of(database, [GUEST])
    again = database.collection(IntercalationStudyDocument).get(first.study_id)
    assert again.pairs == first.pairs
    assert again.warnings == [f"These are numbers of an earlier look: The host {HOST} was not relaxed."]


def test_a_host_that_cannot_be_compared_is_counted_among_others(database, stored, springs):
    other = "cand-00000000000000ff"
    lost = PAIR.model_copy(update={"host_id": other})
    relaxations = stored[0] | {other: "rlx-0000000000000000"}
    output = run([lost, PAIR], (relaxations, stored[1]))
    assert output.record.rejected == {f"The host {other} was not relaxed.": 1}
    assert (output.record.passed, len(output.study_ids)) == (1, 1)
    with pytest.raises(IntercalationError, match="was not relaxed"):
        run([lost], (relaxations, stored[1]))


def test_arrays_that_are_gone_are_missing_values(database, stored, springs):
    calculate(database, HOST)
    document, _ = calculation(GUEST, 1.8, 68.0)  # whose blob nobody stored
    database.collection(ElectronPhononDocument).upsert([document])
    first = database.collection(IntercalationStudyDocument).get(run([PAIR], stored).study_ids[0])
    (pair,) = first.pairs
    assert pair.tc_k.difference == pytest.approx(52.0)
    assert "holds no blob" in pair.coupling.split_reason
    database.collection(IntercalationStudyDocument).upsert([first.model_copy(update={"arrays": "1" * 64})])
    again = refresh_study(database, database.collection(IntercalationStudyDocument).get(first.study_id))
    assert again.pairs[0].phonons == pair.phonons, "phonons at Gamma were computed again"


def test_maker_describes_itself_in_plain_json():
    maker = StudyMaker(settings=StudySettings(network_element="H", window_boundaries_mev=(30.0, 90.0)))
    assert StudyMaker.from_dict(maker.as_dict()) == maker
