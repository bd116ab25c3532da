"""Importers: known superconductors and reference crystals from public sources or local files."""

from invdesflow.superconductors.importers.alexandria import read_alexandria
from invdesflow.superconductors.importers.folder import read_folder
from invdesflow.superconductors.importers.htsc import read_htsc
from invdesflow.superconductors.importers.jarvis import read_jarvis
from invdesflow.superconductors.importers.materials_project import ReferenceCrystal, read_materials_project
from invdesflow.superconductors.importers.refusal import Refusal

__all__ = [
    "ReferenceCrystal",
    "Refusal",
    "read_alexandria",
    "read_folder",
    "read_htsc",
    "read_jarvis",
    "read_materials_project",
]
