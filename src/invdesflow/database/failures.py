"""Turning what the driver raises into errors that say how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import errors

from invdesflow.errors import DatabaseError

__all__ = ["driver_errors"]

_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13


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
    except errors.ConfigurationError as error:
        raise DatabaseError(
            f"The connection to the database at {address} is configured wrongly ({type(error).__name__}).",
            "Check the URI, user and TLS settings (INVDESFLOW_MONGODB_*).",
        ) from None
    except errors.ServerSelectionTimeoutError as error:
        raise DatabaseError(f"No MongoDB server answers at {address}.", _remedy(str(error))) from None
    except errors.BulkWriteError:
        raise  # the caller knows which documents it was about
    except errors.OperationFailure as error:
        raise _refused(address, error) from None
    except errors.AutoReconnect as error:
        raise DatabaseError(
            f"The connection to the database at {address} broke ({type(error).__name__}).",
            "Run the same command again when the server is back; finished work is kept.",
        ) from None


def _remedy(message: str) -> str:
    if "SSL" in message or "certificate" in message:
        return "It does not speak TLS as asked: check INVDESFLOW_MONGODB_TLS and INVDESFLOW_MONGODB_TLS_CA_FILE."
    return "Start it (invdesflow db start), or correct the address in the store file."


def _refused(address: str, error: errors.OperationFailure) -> DatabaseError:
    if error.code == _AUTHENTICATION_FAILED:
        return DatabaseError(
            f"The database at {address} refuses the user name or password.",
            "Check INVDESFLOW_MONGODB_USERNAME, INVDESFLOW_MONGODB_PASSWORD and INVDESFLOW_MONGODB_AUTH_SOURCE.",
        )
    if error.code == _UNAUTHORIZED:
        return DatabaseError(
            f"The user has no right to do this on the database at {address}.",
            "Log in as a user with read and write access.",
        )
    if isinstance(error, errors.ExecutionTimeout):
        return DatabaseError(
            f"The database at {address} did not finish the query in time.",
            "Narrow the query, or raise INVDESFLOW_QUERY_TIME_LIMIT_S.",
        )
    text = str(error.details.get("errmsg", error) if error.details else error)
    if "space" in text.lower():
        return DatabaseError(f"The database at {address} has no disk space left.", "Free some and run the command again.")
    return DatabaseError(f"The database at {address} refused an operation: {text.splitlines()[0]}.")
