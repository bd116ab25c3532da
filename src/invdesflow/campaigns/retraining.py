"""Retrainings on the FireWorks launchpad."""

from collections.abc import Mapping
from typing import Any

from jobflow import Flow
from jobflow.managers.fireworks import flow_to_workflow

from invdesflow.campaigns.fireworks import launchpad_of
from invdesflow.database.failures import driver_errors
from invdesflow.learning.retraining_builder import RetrainingBuilder

__all__ = ["LaunchpadRetrainingBuilder"]


class LaunchpadRetrainingBuilder(RetrainingBuilder):
    """A `RetrainingBuilder` that puts retrainings on the launchpad instead of running them itself."""

    queues = True

    def launch(self, flow: Flow, metadata: Mapping[str, Any]) -> None:
        """Add the flow to the launchpad of the same database."""
        with driver_errors(self.database.address):
            # No store: jobflow would write it, password included, into every firework's spec.
            launchpad_of(self.database).add_wf(flow_to_workflow(flow, store=None, metadata=dict(metadata)))
