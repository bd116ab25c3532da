"""The documents: stores, collections, indexes, queries and the local server."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invdesflow.database.database import Database

__all__ = ["Database"]


def __getattr__(name: str) -> object:
    """Import `Database` on first use: the document models must not pull in the driver."""
    if name == "Database":
        from invdesflow.database.database import Database

        return Database
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
