"""Checks of the models and the interatomic potentials."""

from collections.abc import Iterator

from invdesflow.campaigns.doctor.findings import Finding
from invdesflow.database.database import Database
from invdesflow.errors import InvDesFlowError
from invdesflow.generation.diffusion import model as generator
from invdesflow.learning.models import model_registry
from invdesflow.model_files import read_card
from invdesflow.relaxation.potentials import Kind, find_potential, load_calculator
from invdesflow.relaxation.registered import KIND, find_registered_potential
from invdesflow.screening import kinds

__all__ = ["models", "potential", "registered_potential"]


def models(database: Database) -> Iterator[Finding]:
    """Hold the weights of every model that would be asked against the SHA-256 of its card."""
    registry = model_registry(database)
    for kind in (generator.KIND, *kinds.KINDS):
        subject = f"{kind} model"
        try:
            path = registry.find(kind)
            read_card(path)
        except InvDesFlowError as error:
            yield Finding(subject, "missing", error.problem, error.remedy)
        else:
            yield Finding(subject, "ok", registry.promoted(kind).model_id)


def potential(kind: Kind) -> Iterator[Finding]:
    """Load a potential with the weights that it comes with."""
    found = find_potential(kind)
    load_calculator(found)
    yield Finding(f"potential {kind}", "ok", f"{found.model}, {len(found.elements)} elements")


def registered_potential(database: Database) -> Iterator[Finding]:
    """Load the promoted potential of our own, if there is one."""
    if model_registry(database).asked(KIND) is not None:
        found = find_registered_potential(database, "DeePMD")
        load_calculator(found)
        yield Finding("potential of your own", "ok", f"{len(found.elements)} elements")
