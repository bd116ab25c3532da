"""The phonons of a shortlist as a campaign runs them: a job of jobflow, on the database."""

from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, relax
from invdesflow.screening.phonon_documents import PhononDocument
from invdesflow.screening.phonon_jobs import DynamicalStabilityMaker, DynamicalStabilityOutput
from invdesflow.screening.phonons import PhononSettings

CRYSTALS = {
    "salt": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]),
    "simple cubic": Structure(Lattice.cubic(2.7), ["Al"], [[0] * 3]),  # at rest by symmetry, and a saddle
}


def test_a_job_tells_the_stable_crystal_from_the_unstable_one(database, tmp_path):
    potential = find_potential()
    calculator = load_calculator(potential)
    relaxations = {
        name: RelaxationDocument.from_result(
            structure,
            relax(structure, calculator),
            Subject(kind="candidate", id=name),
            potential,
            RelaxationSettings(),
        )
        for name, structure in CRYSTALS.items()
    }
    database.collection(RelaxationDocument).upsert(relaxations.values())
    maker = DynamicalStabilityMaker(settings=PhononSettings(min_length=5.0))
    identifiers = {name: relaxation.relaxation_id for name, relaxation in relaxations.items()}
    job = maker.make(list(CRYSTALS), identifiers, "test", 0)
    store = database.job_store()
    responses = run_locally(
        job,
        store=store,
        log=False,
        create_folders=True,
        root_dir=tmp_path,
        ensure_success=True,
        raise_immediately=True,
    )
    store.close()
    output = DynamicalStabilityOutput.model_validate(responses[job.uuid][1].output)
    assert output.stable_ids == ["salt"]
    assert output.record.rejected == {"unstable": 1}
    phonons = database.collection(PhononDocument)
    assert phonons.get(output.phonon_ids["salt"]).relaxation_id == identifiers["salt"]
    unstable = phonons.get(output.phonon_ids["simple cubic"])
    assert min(mode.frequency_thz for mode in unstable.spectrum.imaginary_modes) < -0.1
    assert unstable.provenance.campaign == "test"
