"""A database-centric search engine for conventional superconductors."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invdesflow.database import Database

__version__ = "0.1.0"
__all__ = ["Database", "__version__"]


def __getattr__(name: str) -> object:
    """Import the public names on first use, so that ``import invdesflow`` stays light."""
    if name == "Database":
        from invdesflow.database import Database

        return Database
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
