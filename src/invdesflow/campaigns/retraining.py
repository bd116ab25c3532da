"""Retrainings on the FireWorks launchpad."""

from collections.abc import Mapping
from typing import Any

from jobflow import Flow

from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.queue import workflow_of
from invdesflow.campaigns.launching.resources import Assignment
from invdesflow.database.failures import driver_errors
from invdesflow.learning.retraining_builder import RetrainingBuilder

__all__ = ["LaunchpadRetrainingBuilder"]


class LaunchpadRetrainingBuilder(RetrainingBuilder):
    """A `RetrainingBuilder` that puts retrainings on the launchpad instead of running them itself."""

    queues = True

    def launch(self, flow: Flow, metadata: Mapping[str, Any]) -> None:
        """Add the flow to the launchpad of the same database."""
        with driver_errors(self.database.address):
            launchpad_of(self.database).add_wf(workflow_of(flow, metadata, Assignment()))
