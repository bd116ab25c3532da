"""Every kind of model in one registry."""

from invdesflow.database import Database
from invdesflow.generation.diffusion import model as generator
from invdesflow.registry.registry import Registry
from invdesflow.relaxation import registered
from invdesflow.screening import kinds

__all__ = ["model_registry"]


def model_registry(database: Database) -> Registry:
    """Return the registry of all kinds: generator, potential and screening."""
    shipped = {generator.KIND: generator.SHIPPED, registered.KIND: registered.SHIPPED, **kinds.SHIPPED}
    return Registry(database, shipped, {registered.KIND: registered.SCORE, **kinds.SCORES})
