"""Worker categories and queue resources, also of the jobs that come later."""

import pytest
from jobflow import Flow, JobStore
from launchable import aluminium, verification
from maggma.stores import MemoryStore

from invdesflow.campaigns.flows import CAMPAIGN_MAKERS
from invdesflow.campaigns.launching.resources import Assignment, Launching, assign, wall_times
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.campaigns.recipes import checked_maker, read_recipe
from invdesflow.errors import ConfigurationError
from invdesflow.espresso.meshes import Meshes, primitive_for_espresso
from invdesflow.espresso.outputs import PwOutput, QPointsOutput
from invdesflow.espresso.ph_jobs import PhMaker, PhononMaker
from invdesflow.espresso.pw_jobs import PwStaticMaker
from invdesflow.screening.cost import CostModel
from invdesflow.screening.workload import Protocol

ALUMINIUM = primitive_for_espresso(aluminium(4.05))


def calculation():
    return verification().maker.calculation()


def specs(flow):
    """Return what the fireworks of a flow are told, after the way to the database and back."""
    workflow = to_workflow(flow)
    return {firework.name: type(firework).from_dict(firework.to_dict()).spec for firework in workflow.fws}


def test_jobs_that_come_later_are_told_what_they_need():
    """The q-points are not known before ph.x has found them, and each is a firework of its own."""
    static = PwOutput(
        task_id="t1",
        structure=ALUMINIUM,
        energy_ev=-50.0,
        fermi_energy_ev=8.0,
        pressure_gpa=0.0,
        n_electrons=3.0,
        n_bands=6,
        gap_ev=0.0,
        absolute_magnetisation=None,
    )
    later = PhononMaker(calculation()).of_q_points(
        static, QPointsOutput(task_id="t2", q_points=[[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    )
    flow = Flow([later])
    flow.update_metadata({"candidate_id": "cand-1"})
    told = Assignment(Launching.model_validate({"dft": {"nodes": 2}}), 8, {PhMaker.make: 7300.0}, priority=-1.5)
    assign(flow, told)
    [spec] = specs(flow).values()
    assert (spec["_category"], spec["_priority"], spec["candidate_id"]) == ("ml", -1.5, "cand-1")
    assert "_queueadapter" not in spec

    [job] = flow.jobs
    with JobStore(MemoryStore()) as store:
        response = job.run(store)
    replaced = specs(response.replace)
    assert len(replaced) == 4
    for name, spec in replaced.items():
        assert (spec["_priority"], spec["candidate_id"], spec["_allow_fizzled_parents"]) == (-1.5, "cand-1", True)
        assert spec["_category"] == ("ml" if name == "store_inputs" else "dft")
    at_q_points = replaced["phonons at q-point 1 of 2"]["_queueadapter"]
    assert at_q_points == {"nodes": 2, "ntasks": 8, "walltime": "02:10:00"}
    assert replaced["force constants"]["_queueadapter"] == {"nodes": 2, "ntasks": 8}


def test_the_recipe_wins_over_the_estimate():
    flow = Flow([PwStaticMaker(calculation()).make(ALUMINIUM)])
    launching = Launching.model_validate({"dft": {"walltime": "1-00:00:00", "cpus_per_task": 4}})
    assign(flow, Assignment(launching, 2, {PwStaticMaker.make: 10.0}))
    [spec] = specs(flow).values()
    assert spec["_queueadapter"] == {"ntasks": 2, "walltime": "1-00:00:00", "cpus_per_task": 4}


@pytest.mark.parametrize("name", sorted(CAMPAIGN_MAKERS))
def test_every_job_of_every_campaign_has_a_worker(name):
    maker = checked_maker(name, {"crystals": ["Al.cif"]} if name == "PotentialLearningMaker" else {})
    flow = maker.make("any", 0)
    assign(flow, Assignment())
    told = specs(flow)
    assert {spec["_category"] for spec in told.values()} <= {"ml", "dft", "epw"}
    assert {job for job, spec in told.items() if spec["_category"] == "dft"} == (
        {"label"} if name == "PotentialLearningMaker" else set()
    )


def test_the_wall_time_of_a_q_point_is_that_of_the_longest():
    model, protocol = CostModel.load(), calculation().protocol
    meshes = Meshes.of(ALUMINIUM, protocol)
    settings = Protocol("smoke", protocol.ecutwfc_ry, protocol.q_spacing, 1)
    [found] = model.predict([ALUMINIUM], settings, meshes=(meshes.k_scf, meshes.q))
    workload = found.workload
    each = [model.vector_seconds(vector, workload) for vector in workload.wave_vectors]
    parts = model.part_seconds(workload)
    nscf = model.seconds("bands", 0, workload.q_mesh[0] * workload.q_mesh[1] * workload.q_mesh[2], workload)
    assert sum(each) == pytest.approx(parts["bands"] + parts["setup"] + parts["response"] - nscf)
    one, four = (wall_times(ALUMINIUM, calculation(), ranks)[PhMaker.make] for ranks in (1, 4))
    assert one == pytest.approx(max(each) * found.factor**2)
    assert four == pytest.approx(one / 4)


def test_a_recipe_is_validated(tmp_path):
    file = tmp_path / "recipe.yaml"
    text = "campaign: a\nmaker: VerificationMaker\nlaunching: {}\n"
    file.write_text(text.format("{dft: {ntasks: 32, walltime: '04:00:00'}}"))
    assert read_recipe(file).launching.of("dft") == {"ntasks": 32, "walltime": "04:00:00"}
    for wrong, message in (
        ("{gpu: {ntasks: 1}}", "launching.gpu"),
        ("{dft: {ntasks: 0}}", r"launching.dft.ntasks"),
        ("{dft: {walltime: 4 hours}}", r"launching.dft.walltime"),
        ("{dft: {walltime: 4:00:00}}", r"launching.dft.walltime"),  # YAML reads a number in base 60
    ):
        file.write_text(text.format(wrong))
        with pytest.raises(ConfigurationError, match=message):
            read_recipe(file)
