"""All faults, and the table of what they cost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from invdesflow.testing.faults.crowds import CROWDS
from invdesflow.testing.faults.halves import HALVES
from invdesflow.testing.faults.killed import KILLED
from invdesflow.testing.faults.scenario import Scenario
from invdesflow.testing.faults.servers import of_the_server
from invdesflow.testing.faults.slurm_jobs import slurm_scenario

__all__ = ["scenarios"]


@contextmanager
def scenarios(gone_s: float) -> Iterator[tuple[Scenario, ...]]:
    """Give all scenarios; what they have started is ended with the block.

    Parameters
    ----------
    gone_s
        How long the database is gone in one of them (s).
    """
    with ExitStack() as stack:
        yield (*KILLED, slurm_scenario(stack), *of_the_server(gone_s), *HALVES, *CROWDS)
