"""The learning loop for real: real models, real training, labels that we made."""

import shutil
from pathlib import Path

import pytest
from documents import candidate, relaxation
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.active_learning import ActiveLearningMaker, outcome_of
from invdesflow.campaigns.discovery import DiscoveryMaker
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.models import model_registry
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.verify_candidates import VerifyMaker
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.learning.labelled_pool import LabelledPoolMaker
from invdesflow.learning.rounds import stored_round
from invdesflow.learning.training_set_documents import TrainingSetDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.gates import Thresholds, tc_gate
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.testing.labelled_set import write_labelled_set

ROOT = Path(__file__).parents[2]
RECIPE = """
campaign: replayed
maker: ActiveLearningMaker
parameters:
  labelled: {path: PATH, set_format: alexandria}
  screen:
    thresholds:
      {superconductor_probability: null, formation_energy_ev_per_atom: null, e_above_hull_ev_per_atom: null, tc_k: 0.0}
  acquire: {settings: {strategy: expected_improvement, batch: 6}}
  retrain: {settings: {epochs: 1, least_held_out: 2}}
"""


@pytest.fixture
def recipe(tmp_path):
    write_labelled_set(tmp_path / "made.jsonl.gz")
    file = tmp_path / "replayed.yaml"
    file.write_text(RECIPE.replace("PATH", str(tmp_path / "made.jsonl.gz")))
    return read_recipe(file)


def test_the_shipped_recipe_is_valid():
    recipe = read_recipe(ROOT / "flows" / "active_learning.yaml")
    assert isinstance(recipe.maker, ActiveLearningMaker)
    assert recipe.maker.oracle == "Quantum ESPRESSO and EPW, protocol moderate"


def test_labels_without_relaxation_have_no_hull():
    with pytest.raises(ConfigurationError, match="energy above the hull"):
        ActiveLearningMaker(labelled=LabelledPoolMaker(path="set.jsonl"))


def test_what_is_predicted_is_answered_at_the_same_mu_star():
    screen = ScreenMaker(mu_star=0.12, thresholds=Thresholds(e_above_hull_ev_per_atom=None))
    with pytest.raises(ConfigurationError, match=r"mu\* = 0.12 and answered at 0.1, 0.13, 0.16"):
        ActiveLearningMaker(discover=DiscoveryMaker(screen=screen))
    answered = VerifyMaker(overrides={"mu_stars": [0.12]})
    assert ActiveLearningMaker(discover=DiscoveryMaker(screen=screen), verify=answered).mu_star == 0.12
    with pytest.raises(ConfigurationError, match=r"mu\* = 0.12 and answered at 0.1:"):
        ActiveLearningMaker(labelled=LabelledPoolMaker(path="set.jsonl"), screen=screen)


def test_a_calculation_without_document_failed():
    outcome = outcome_of(None, 0.1)
    assert (outcome.status, outcome.tc_k) == ("failed", None)
    assert outcome.reason


def test_a_calculation_that_broke_off_says_why():
    crystal = Structure(Lattice.cubic(2.7), ["Al"], [[0, 0, 0]])
    document = ElectronPhononDocument(
        elph_id="elph-1",
        candidate_id="cand-1",
        reduced_formula="Al",
        space_group_number=221,
        structure=crystal,
        pressure_gpa=0.0,
        protocol="fast",
        settings={},
        pseudopotentials={},
        status="failed",
        reason="scf of Al failed",
    )
    outcome = outcome_of(document, 0.1)
    assert (outcome.status, outcome.reason, outcome.source_id) == ("failed", "scf of Al failed", "elph-1")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_rounds_on_a_labelled_set(database, recipe):
    for number in (0, 1):
        assert run_campaign(database, recipe) == number
        assert get_campaign(database, "replayed").rounds[number].status == "completed"
    first, second = (stored_round(database, "replayed", number) for number in (0, 1))
    assert (first.pool, second.pool) == (40, 34)
    assert first.status == second.status == "completed"
    chosen = {row.candidate_id for row in (*first.chosen, *second.chosen)}
    assert len(chosen) == 12
    assert database.collection(SuperconductorDocument).count() == 12
    assert second.best_tc_before_k == first.best_tc_k == max(row.outcome.tc_k for row in first.chosen)
    for one in (first, second):
        assert one.bias.chosen == 6
        [change] = one.models
        assert change.trained is not None
        assert (change.after == change.trained) == (not change.remark)
    assert first.models[0].after == second.models[0].before
    assert model_registry(database).promoted("tc").model_id == second.models[0].after
    stages = [stage.stage for stage in get_campaign(database, "replayed").rounds[0].stages]
    assert stages == ["labelled set", "screen", "acquire", "reveal"]


FAMILY = Path("/usr/share/espresso/pseudo")
REAL_ORACLE = f"""
campaign: calculated
maker: ActiveLearningMaker
parameters:
  discover:
    generate: null
    substitute: {{n_candidates: 1}}
    phonons: null
  acquire: {{settings: {{batch: 1}}}}
  verify:
    protocol: fast
    family: {FAMILY}
    files: {{Al: Al.pz-vbc.UPF}}
    overrides: {{ecutwfc_ry: 15, ecutrho_ry: 60, relax: false, pressure_tolerance_gpa: 5.0, k_spacing: 0.3,
      q_spacing: 1.4, wannier_k_multiple: 3, stability_threshold_cm1: 30.0, degaussw_ev: 0.2, fsthick_ev: 1.0,
      fine_q_spacings: [0.55, 0.45], tc_tolerance_relative: 0.9, tc_tolerance_k: 5.0, dos_tolerance_relative: 0.9,
      temperature_fractions: [0.8], path_couplings: false, path_spacing: 0.1, dos_spacing: 0.3,
      wannier_num_iter: 300, wannier_dis_num_iter: 300}}
  retrain: {{settings: {{epochs: 1}}}}
"""


def screened_aluminium(database):
    """Store what an earlier round could have left of fcc aluminium, the cheapest crystal there is."""
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.968), ["Al"], [[0, 0, 0]]).get_primitive_structure()
    crystal = candidate(structure, "calculated")
    database.collection(CandidateDocument).upsert([crystal])
    relaxed = relaxation(Subject(kind="candidate", id=crystal.candidate_id), structure, -3.7)
    database.collection(RelaxationDocument).upsert([relaxed])
    screening = ScreeningDocument(
        screening_id="scr-by-hand",
        candidate_id=crystal.candidate_id,
        relaxation_id=relaxed.relaxation_id,
        reduced_formula="Al",
        models={},
        thresholds=Thresholds(),
        gates=[tc_gate(2.0, 0.0)],
        passed=True,
        mu_star=0.1,
        tc_k=2.0,
        tc_std_k=1.0,
        superconductor_probability=0.9,
        predicted_formation_energy_ev_per_atom=0.0,
        predicted_formation_energy_std_ev_per_atom=0.02,
        e_above_hull_ev_per_atom=0.0,
        core_hours=0.05,
        provenance={"campaign": "calculated", "campaign_round": 0},
    )
    database.collection(ScreeningDocument).upsert([screening])
    return crystal.candidate_id


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("pw.x", "ph.x", "epw.x")) or not FAMILY.is_dir(),
    reason="Quantum ESPRESSO or its pseudopotentials are not installed (apt install quantum-espresso wannier90)",
)
def test_a_round_with_quantum_espresso_and_epw(database, tmp_path):
    """Aluminium is chosen, calculated for real, entered into the training set, and its one row weighed."""
    candidate_id = screened_aluminium(database)
    file = tmp_path / "calculated.yaml"
    file.write_text(REAL_ORACLE)
    assert run_campaign(database, read_recipe(file)) == 0
    found = stored_round(database, "calculated", 0)
    [chosen] = found.chosen
    [document] = database.collection(ElectronPhononDocument).find({})
    assert chosen.candidate_id == document.candidate_id == candidate_id
    assert (document.status, document.protocol_label) == ("completed", "fast, changed")
    outcome = chosen.outcome
    assert (outcome.status, outcome.source_id) == ("completed", document.elph_id)
    assert (outcome.tc_k, outcome.mu_star) == (document.tc_k("migdal_eliashberg"), 0.10)
    assert found.best_tc_k == outcome.tc_k > 0
    assert found.core_hours == document.core_hours > 0
    stages = get_campaign(database, "calculated").rounds[0].stages
    assert [stage.stage for stage in stages] == ["substitute", "relax", "screen", "acquire", "account"]
    assert (stages[-1].entered, stages[-1].passed, stages[-1].note) == (1, 1, "fast")
    [learned] = database.collection(TrainingSetDocument).find({})
    assert learned.from_collection["electron_phonon"] == 1
    [change] = found.models
    assert change.trained is not None
    assert change.before == change.after, "two held-out formulas are too few to say that it is better"
    assert "held-out formulas to compare on" in change.remark
