"""All checks, in the order in which one thing needs the other."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, get_args

from invdesflow.campaigns.doctor import cluster, database, espresso, machine, models
from invdesflow.campaigns.doctor.findings import Check, Finding, carry_out
from invdesflow.campaigns.recipes import Recipe
from invdesflow.database.database import Database
from invdesflow.errors import InvDesFlowError
from invdesflow.relaxation.potentials import Kind
from invdesflow.settings import get_settings

__all__ = ["examine"]


def examine(recipe: Recipe | None = None) -> Iterator[Finding]:
    """Look at everything that a run needs.

    Parameters
    ----------
    recipe
        What is to be run. Without one, Quantum ESPRESSO is no more than a warning, for a campaign may do without it.

    Raises
    ------
    ConfigurationError
        If the settings cannot be read.
    """
    settings = get_settings()
    checks = [*_machine_checks(recipe)]
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(Database(settings=settings))
        except InvDesFlowError as error:
            yield Finding("database", "missing", error.problem, error.remedy)
        else:
            yield Finding("database", "ok", f"{opened.path} at {opened.address}")
            checks = [*_database_checks(opened), *checks]
        for check in checks:
            yield from carry_out(check)


def _database_checks(opened: Database) -> list[Check]:
    return [
        Check("writing", partial(database.writing, opened)),
        Check("indexes", partial(database.indexes, opened)),
        Check("schema versions", partial(database.schema_versions, opened)),
        Check("clock", partial(database.clock, opened)),
        Check("job store", partial(database.job_store, opened)),
        Check("queue", partial(database.queue, opened)),
        Check("models", partial(models.models, opened)),
        Check("potential of your own", partial(models.registered_potential, opened), needed=False),
        Check("cluster", partial(cluster.cluster, opened)),
    ]


def _machine_checks(recipe: Recipe | None) -> list[Check]:
    settings = get_settings()
    parameters = {} if recipe is None else recipe.parameters()
    calculates = bool(_values(parameters, "protocol"))
    potentials = _values(parameters, "potential") or ["CHGNet"]
    return [
        Check("disk", partial(machine.disk_space, settings)),
        Check("OMP_NUM_THREADS", machine.threads),
        *(
            Check(f"potential {kind}", partial(models.potential, kind), needed=kind in potentials)
            for kind in get_args(Kind)
            if kind != "DeePMD"  # it comes without weights
        ),
        Check("Quantum ESPRESSO", partial(espresso.programs, settings), needed=calculates),
        Check("wannier90.x", espresso.wannier90, needed=False),
        Check("MPI", partial(espresso.mpi, settings), needed=calculates),
        Check("pseudopotentials", partial(espresso.pseudopotentials, _values(parameters, "family")), needed=calculates),
    ]


def _values(parameters: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values of a parameter wherever in a recipe it stands."""
    found = [parameters[name]] if parameters.get(name) is not None else []
    for value in parameters.values():
        if isinstance(value, Mapping):
            found += _values(value, name)
    return found
