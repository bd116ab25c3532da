"""Noting in the document of a calculation why it cannot go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.errors import DatabaseError, InvDesFlowError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.costs import charge_failed

__all__ = ["noted_failure", "notes_failure"]


class _Part(Protocol):
    calculation: Calculation


_Maker = TypeVar("_Maker", bound=_Part)
_Arguments = ParamSpec("_Arguments")
_Output = TypeVar("_Output")


def notes_failure(
    body: Callable[Concatenate[_Maker, _Arguments], _Output],
) -> Callable[Concatenate[_Maker, _Arguments], _Output]:
    """Let the body of a job note what it raises in the electron_phonon document that it is a part of.

    A document that is not running keeps its result. Whoever stops the job, as by Ctrl-C, leaves the document running.

    Parameters
    ----------
    body
        Method of a maker that has a `Calculation`.
    """

    @wraps(body)
    def noting(maker: _Maker, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Output:
        with noted_failure(maker.calculation.elph_id):
            return body(maker, *args, **kwargs)

    return noting


@contextmanager
def noted_failure(elph_id: str | None) -> Iterator[None]:
    """Note what is raised in an electron_phonon document, as `notes_failure` does; none for no document."""
    try:
        yield
    except Exception as error:
        if elph_id is not None:
            with suppress(DatabaseError):  # the first error tells more
                _note(elph_id, error)
        raise


def _note(elph_id: str, error: Exception) -> None:
    words = str(error).partition("\n")[0]
    reason = error.problem if isinstance(error, InvDesFlowError) else f"{type(error).__name__}: {words}"
    with Database() as database:
        database.raw["electron_phonon"].update_one(
            {"elph_id": elph_id, "status": "running"},
            {"$set": {"status": "failed", "reason": reason, "updated_at": utc_now()}},
        )
        charge_failed(database, elph_id)
