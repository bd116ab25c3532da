"""A potential learns in rounds: real tiny models, a committee that chooses, compositions that stay unseen."""

import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from jobflow import Job, run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.campaigns.potential_learning import PotentialLearningMaker
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.cli.potential_training import learn
from invdesflow.crystals.reading import read_structure
from invdesflow.database.stages import StageRecord
from invdesflow.errors import ConfigurationError
from invdesflow.learning.potential.committee import Committee, TrustLevels
from invdesflow.learning.potential.frames import compositions
from invdesflow.learning.potential.jobs import LabelMaker, TrainCommitteeMaker
from invdesflow.learning.potential.rounds import PotentialRounds
from invdesflow.learning.potential.sampling import DistortionSettings, distorted

CANDIDATES, BATCH = 8, 2
RECIPE = """
campaign: tiny
maker: PotentialLearningMaker
parameters:
  crystals: [{folder}/Cu.cif, {folder}/Au.cif]
  held_out: [{folder}/CuAu.cif]
  label:
    teacher: CHGNet
    candidates: {candidates}
    batch: {batch}
  train:
    members: 2
    settings: {{cutoff: 4.0, inner_cutoff: 3.0, width: 8, pair_width: 4, layers: 1, fitting: [8, 8], steps: 10,
               save_every: 10, batch_size: 1}}
"""


def recipe(folder):
    path = folder / "tiny.yaml"
    path.write_text(RECIPE.format(folder=folder, candidates=CANDIDATES, batch=BATCH))
    return path


@pytest.fixture
def crystals(tmp_path):
    """Write gold, copper and both in one, and return them as they are read again."""
    made = {"Cu": bulk("Cu"), "Au": bulk("Au"), "CuAu": bulk("CuAu", "cesiumchloride", a=3.1)}
    for name, atoms in made.items():
        AseAtomsAdaptor.get_structure(atoms).to(str(tmp_path / f"{name}.cif"))
    return {name: read_structure(tmp_path / f"{name}.cif") for name in made}


@pytest.mark.slow
def test_a_round_labels_trains_and_measures_on_what_it_did_not_see(database, crystals, tmp_path, capsys):
    pytest.importorskip("deepmd.pt")
    pytest.importorskip("dpdata")
    learn(recipe(tmp_path))
    files = PotentialRounds.of(database.settings.data_dir, "tiny")
    assert compositions(files.labels(0)) == {"Au": BATCH, "Cu": BATCH}
    assert compositions(files.held_out()) == {"CuAu": BATCH}
    labelled, trained = get_campaign(database, "tiny").rounds[0].stages
    assert (labelled.passed, trained.passed) == (2 * BATCH, 2)
    assert "(rms) on CuAu" in trained.note
    assert files.committee_before(0) is None
    assert files.committee_before(1).deviation(crystals["Cu"]).largest > 0
    assert "tiny, round 0" in capsys.readouterr().out


def test_what_the_last_committee_disputes_most_is_labelled(database, crystals, tmp_path, monkeypatch):
    judges = Committee([EMT(), Halved()])
    monkeypatch.setattr(PotentialRounds, "committee_before", lambda self, number: judges if number else None)
    files = PotentialRounds.of(database.settings.data_dir, "disputed")
    for number in (0, 1):
        assert labelled(database, tmp_path, "disputed", number).passed == 2 * BATCH
    assert len(files.labels(0)) == 2 * BATCH
    added = [frame.structure for frame in files.labels(1)[2 * BATCH :]]
    for name in ("Cu", "Au"):
        drawn = distorted(crystals[name], DistortionSettings(), CANDIDATES, seed=1)
        assert disputes(judges, added, name) == pytest.approx(disputes(judges, drawn, name)[:BATCH])


def test_where_nothing_is_disputed_the_committee_stays(database, crystals, tmp_path, monkeypatch):
    monkeypatch.setattr(PotentialRounds, "committee_before", lambda self, number: Committee([EMT(), EMT()]))
    monkeypatch.setattr(PotentialRounds, "labels", lambda self, number: ["from the round before"])
    assert labelled(database, tmp_path, "known", 1).passed == 0
    record = output_of(TrainCommitteeMaker().make("known", 1), database)
    assert (record.passed, record.note) == (0, "nothing was disputed")
    assert not PotentialRounds.of(database.settings.data_dir, "known").committee_folder(1).exists()


class Halved(Calculator):
    """A potential that finds half of what EMT finds."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        other = atoms.copy()
        other.calc = EMT()
        found = {"energy": other.get_potential_energy(), "forces": other.get_forces(), "stress": other.get_stress()}
        self.results = {name: value / 2 for name, value in found.items()}


def labelled(database, folder, campaign: str, number: int) -> StageRecord:
    """Run the labelling of a round."""
    maker = LabelMaker(teacher="CHGNet", candidates=CANDIDATES, batch=BATCH, levels=TrustLevels(known=1e-9, absurd=1e9))
    job = maker.make([str(folder / "Cu.cif"), str(folder / "Au.cif")], [], campaign, number)
    return output_of(job, database)


def output_of(job: Job, database) -> StageRecord:
    """Run a job and return what it said."""
    return run_locally(job, store=database.job_store(), log=False, raise_immediately=True)[job.uuid][1].output


def disputes(judges, structures, name):
    """Return how far a committee disagrees on the crystals of an element, the most disputed first."""
    return sorted((judges.deviation(one).largest for one in structures if one.formula.startswith(name)), reverse=True)


def test_a_campaign_that_cannot_learn_is_refused():
    with pytest.raises(ConfigurationError, match="needs crystals"):
        PotentialLearningMaker()
    with pytest.raises(ConfigurationError, match="disputes nothing"):
        PotentialLearningMaker(crystals=["K2CuH6"], train=TrainCommitteeMaker(members=1))
