"""Reference crystals: compounds that are known, whether or not they superconduct; novelty is judged against them."""

from typing import ClassVar, Self

from pydantic import Field

from invdesflow.crystals.field import CrystalField
from invdesflow.crystals.identity import fingerprint
from invdesflow.crystals.symmetry import space_group
from invdesflow.database.documents import Document, content_hash
from invdesflow.superconductors.importers.materials_project import ReferenceCrystal

__all__ = ["ReferenceDocument"]


class ReferenceDocument(Document):
    """One known crystal of a public data set."""

    collection: ClassVar[str] = "references"
    key: ClassVar[str] = "reference_id"

    reference_id: str = Field(description="hash of the crystal's fingerprint")
    dataset_id: str = Field(description="name in its data set, such as mp-763")
    structure: CrystalField
    reduced_formula: str = Field(description="for example MgB2")
    chemical_system: str = Field(description="elements in alphabetical order, joined by hyphens")
    space_group_number: int = Field(ge=1, le=230)
    space_group_symbol: str
    formation_energy_ev_per_atom: float | None = Field(None, description="as the data set gives it (eV/atom)")
    e_above_hull_ev_per_atom: float | None = Field(None, description="as the data set gives it (eV/atom)")

    @classmethod
    def from_crystal(cls, crystal: ReferenceCrystal) -> Self:
        """Describe an imported crystal.

        Raises
        ------
        StructureError
            If its symmetry cannot be found.
        """
        number, symbol = space_group(crystal.structure)
        return cls(
            reference_id=content_hash("ref", fingerprint(crystal.structure)),
            dataset_id=crystal.dataset_id,
            structure=crystal.structure,
            reduced_formula=crystal.structure.composition.reduced_formula,
            chemical_system=crystal.structure.chemical_system,
            space_group_number=number,
            space_group_symbol=symbol,
            formation_energy_ev_per_atom=crystal.formation_energy_ev_per_atom,
            e_above_hull_ev_per_atom=crystal.e_above_hull_ev_per_atom,
        )
