"""A blob without its document, and a document without its blob."""

from random import Random

from invdesflow.database import Database
from invdesflow.testing.faults import programs
from invdesflow.testing.faults.scenario import Outcome, Scenario, ended_well, losses_at_the_end
from invdesflow.testing.faults.verdict import findings
from invdesflow.testing.faults.world import Place

__all__ = ["HALVES"]

# The writes of `programs.steps`: the candidate, the chunks of the blob, its entry, the training set.
_BEFORE_ENTRY, _BEFORE_DOCUMENT = 3, 4
# The writes of jobflow's store: the document, then the chunks of the blob.
_BEFORE_BLOB = 2
_JOB = "00000000-0000-4000-8000-000000000000"


def _blob_without_document(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        number, write = random.randint(0, 150), random.choice((_BEFORE_ENTRY, _BEFORE_DOCUMENT))
        arguments = (world.promises.path, "none", [number])
        world.start(programs.steps, *arguments, name="victim", fatal_write=write).finish()
        kind = "dangling blob" if write == _BEFORE_DOCUMENT else "piece of a blob"
        repaired = random.random() < 0.5
        with world.database() as database:
            lost = _expect(database, kind, repaired)
        lost += ended_well(world.start(programs.steps, *arguments, name="finish"))
        what = f"{kind}, {'removed' if repaired else 'left'} before the same command"
        return Outcome(what, lost + losses_at_the_end(world))


def _document_without_blob(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        number, repaired = random.randint(0, 1000), random.random() < 0.5
        world.start(programs.job_output, _JOB, number, name="victim", fatal_write=_BEFORE_BLOB).finish()
        with world.database() as database:
            lost = _expect(database, "output without blob", repaired)
        lost += ended_well(world.start(programs.job_output, _JOB, number, name="finish"))
        with world.database() as database:
            store = database.job_store()
            store.connect()
            if store.get_output(_JOB, load=True) != {"rows": [number] * 1000}:
                lost.append("the output of the job does not come back")
            store.close()
        what = f"output {'removed' if repaired else 'left'} before the same command"
        return Outcome(what, lost + losses_at_the_end(world))


def _expect(database: Database, kind: str, repaired: bool) -> list[str]:
    """Return a loss unless the check finds exactly this; repair it if that is wanted."""
    found = findings(database)
    for finding in found if repaired else ():
        if finding.repair is not None:
            finding.repair()
    kinds = [finding.kind for finding in found]
    return [] if kinds == [kind] else [f"the check finds {kinds or 'nothing'}, not a {kind}"]


HALVES = (
    Scenario("a blob written without its document", _blob_without_document),
    Scenario("a document written without its blob", _document_without_blob),
)
