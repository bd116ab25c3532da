"""Turning what the driver raises into errors that say how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo import errors

from invdesflow.errors import DatabaseError

__all__ = ["driver_errors", "write_problem"]

_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13
_OUT_OF_DISK_SPACE = 14031


@contextmanager
def driver_errors(address: str) -> Iterator[None]:
    """Raise `DatabaseError` for what pymongo raises inside the block.

    Parameters
    ----------
    address
        The server, without credentials; the driver's own messages may hold some.
    """
    try:
        yield
    except errors.ServerSelectionTimeoutError as error:
        raise DatabaseError(f"No MongoDB server answers at {address}.", _remedy(str(error))) from None
    except errors.ConnectionFailure as error:
        raise DatabaseError(
            f"The connection to the database at {address} broke ({type(error).__name__}).",
            "Run the same command again when the server is back; finished work is kept.",
        ) from None
    except errors.OperationFailure as error:
        raise _refused(address, error) from None
    except BSONError as error:
        raise DatabaseError(
            f"A document for or from the database at {address} is not valid BSON ({type(error).__name__}).",
            "Look for values that are not numbers, text, lists or mappings, and for documents above 16 MB.",
        ) from None
    except errors.PyMongoError as error:
        raise DatabaseError(
            f"The connection to the database at {address} is configured wrongly ({type(error).__name__}).",
            "Check the store file and the INVDESFLOW_MONGODB_* settings.",
        ) from None


def write_problem(details: dict[str, Any]) -> str:
    """Say in one line why the server refused a bulk write."""
    problems = [*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]
    return str(problems[0]["errmsg"]).splitlines()[0][:200] if problems else "no reason given"


def _remedy(message: str) -> str:
    if "SSL" in message or "certificate" in message:
        return "It does not speak TLS as asked: check INVDESFLOW_MONGODB_TLS and INVDESFLOW_MONGODB_TLS_CA_FILE."
    return "Start it (invdesflow db start), or correct its address and the TLS settings in the store file."


def _refused(address: str, error: errors.OperationFailure) -> DatabaseError:
    if isinstance(error, errors.ExecutionTimeout):
        return DatabaseError(
            f"The database at {address} did not finish the query in time.",
            "Narrow the query, or raise INVDESFLOW_QUERY_TIME_LIMIT_S.",
        )
    if error.code == _AUTHENTICATION_FAILED:
        return DatabaseError(
            f"The database at {address} refuses the user name or password.",
            "Check INVDESFLOW_MONGODB_USERNAME, INVDESFLOW_MONGODB_PASSWORD and INVDESFLOW_MONGODB_AUTH_SOURCE.",
        )
    if error.code == _UNAUTHORIZED:
        return DatabaseError(
            f"The user has no right to do this on the database at {address}.",
            "Log in as a user with the rights to do it (INVDESFLOW_MONGODB_USERNAME and _PASSWORD).",
        )
    details: dict[str, Any] = dict(error.details or {})
    text = write_problem(details) if isinstance(error, errors.BulkWriteError) else str(details.get("errmsg", error))
    if error.code == _OUT_OF_DISK_SPACE or "no space left" in text.lower():
        return DatabaseError(
            f"The database at {address} has no disk space left.", "Free some and run the command again."
        )
    if "internal" in text.lower():
        # All that secantusdb says when its disk is full.
        return DatabaseError(
            f"The database at {address} failed: {text.splitlines()[0][:200]}.",
            "If its disk is full, free space; else look at its log. Then run the command again.",
        )
    return DatabaseError(f"The database at {address} refused an operation: {text.splitlines()[0][:200]}.")
