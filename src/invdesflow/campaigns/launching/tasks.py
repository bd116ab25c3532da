"""How jobs stand in FireWorks' queue: as plain data, which is looked at before it is decoded.

Whoever can write to the queue can name any Firetask, among them such that run a shell. This is not about them, but
about what may be hidden in the description of a job of ours.
"""

from typing import Any

from fireworks import FiretaskBase, FWAction, Workflow, explicit_serialize
from fireworks.utilities import fw_serializers
from jobflow import Flow, Job, initialize_logger
from jobflow.managers.fireworks import flow_to_workflow

from invdesflow.campaigns.job_running import run_job
from invdesflow.database.decoding import decode

__all__ = ["CheckedJobTask", "to_workflow"]

# Else FireWorks has monty decode whatever else stands in a firework. FW_config.yaml says so to its own programs.
fw_serializers.DECODE_MONTY = False


@explicit_serialize
class CheckedJobTask(FiretaskBase):
    """A Firetask that runs a job, as jobflow's ``JobFiretask`` does, but decodes only what is on our allow-list.

    The job finds its stores through the settings of the machine on which it runs: none stands in the queue.
    """

    required_params = ("job",)

    @classmethod
    def from_dict(cls, m_dict: dict[str, Any]) -> "CheckedJobTask":
        """Take the plain data as they are; FireWorks would decode them."""
        return cls(m_dict)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Run the job and tell FireWorks what it wants to be run next.

        Raises
        ------
        DatabaseError
            If the job would be decoded into something that is not on the allow-list.
        """
        job: Job = decode(self["job"])
        job.metadata["fw_id"] = self.fw_id
        initialize_logger()
        response = run_job(job)
        detours = [to_workflow(flow) for flow in (response.replace, response.detour) if flow is not None]
        additions = [] if response.addition is None else [to_workflow(response.addition)]
        return FWAction(
            stored_data=response.stored_data,
            detours=detours,
            additions=additions,
            defuse_workflow=response.stop_jobflow,
            defuse_children=response.stop_children,
        )


def to_workflow(flow: Flow | Job, **arguments: Any) -> Workflow:
    """Turn a flow into a workflow for the launchpad.

    Parameters
    ----------
    flow
        What is to be run.
    **arguments
        ``name`` and ``metadata`` of the workflow.
    """
    workflow = flow_to_workflow(flow, **arguments)
    for firework in workflow.fws:
        firework.tasks = [CheckedJobTask(job=task["job"].as_dict()) for task in firework.tasks]
    return workflow
