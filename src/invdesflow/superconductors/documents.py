"""What is known of a superconductor: its crystal, and measured and calculated values that never share a field."""

from collections.abc import Hashable, Sequence
from typing import ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.crystals.field import CrystalField
from invdesflow.crystals.identity import fingerprint
from invdesflow.crystals.symmetry import space_group
from invdesflow.database.documents import Document, content_hash, utc_now

__all__ = ["Calculation", "Measurement", "SuperconductorDocument", "merge"]

T = TypeVar("T", bound=Hashable)


class _Value(BaseModel):
    """A published value; two equal ones are one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    pressure_gpa: float = Field(0.0, ge=0, description="pressure in GPa")
    source: str = Field(min_length=1, description="short citation")
    doi: str | None = Field(None, pattern=r"^10\.\d{4,9}/\S+$", description="digital object identifier of the source")
    note: str | None = Field(None, description="what the reader must know to use the value")


class Measurement(_Value):
    """A critical temperature found in an experiment."""

    tc_k: float = Field(ge=0, description="critical temperature in K")


class Calculation(_Value):
    """What one calculation, or one analysis of a tunnelling spectrum, gave for the electron-phonon coupling."""

    method: str = Field(min_length=1, description="how lambda and Tc were obtained")
    tc_k: float | None = Field(None, ge=0, description="critical temperature in K")
    mu_star: float | None = Field(None, ge=0, description="Coulomb pseudopotential")
    lambda_: float | None = Field(None, ge=0, description="electron-phonon coupling strength")
    omega_log_mev: float | None = Field(None, gt=0, description="logarithmic average phonon frequency in meV")


class SuperconductorDocument(Document):
    """One known superconductor: one crystal at one pressure."""

    collection: ClassVar[str] = "superconductors"
    key: ClassVar[str] = "superconductor_id"

    superconductor_id: str = Field(description="hash of the crystal's fingerprint and the pressure")
    name: str = Field(description="name as the field uses it")
    reduced_formula: str = Field(description="for example Nb3Sn")
    elements: list[str] = Field(description="element symbols in alphabetical order")
    nelements: int = Field(ge=1)
    family: str | None = Field(None, description="family of materials in the catalogue, such as a15")
    prototype: str | None = Field(None, description="name of the structure type, such as A15")
    structure: CrystalField = Field(description="crystal at pressure_gpa")
    space_group_number: int = Field(ge=1, le=230)
    space_group_symbol: str = Field(description="Hermann-Mauguin symbol")
    pressure_gpa: float = Field(0.0, ge=0, allow_inf_nan=False, description="pressure in GPa that the crystal is at")
    lattice_source: str = Field(description="where the structure comes from")
    dataset_ids: list[str] = Field(default_factory=list, description="names in data sets, such as jarvis:JVASP-1151")
    experiment: list[Measurement] = Field(default_factory=list)
    theory: list[Calculation] = Field(default_factory=list)
    catalogued: list[str] = Field(default_factory=list, description="hashes of what of this the catalogue says")

    @classmethod
    def from_structure(
        cls,
        structure: Structure,
        *,
        name: str,
        lattice_source: str,
        pressure_gpa: float = 0.0,
        family: str | None = None,
        prototype: str | None = None,
        dataset_ids: Sequence[str] = (),
        experiment: Sequence[Measurement] = (),
        theory: Sequence[Calculation] = (),
    ) -> Self:
        """Make a document and work out the identifier, the composition keys and the space group.

        Parameters
        ----------
        structure
            Ordered crystal at `pressure_gpa`.
        name, lattice_source, pressure_gpa, family, prototype, dataset_ids, experiment, theory
            As the fields of the document.

        Raises
        ------
        StructureError
            If the structure is disordered or its symmetry cannot be found.
        """
        identity = {"crystal": fingerprint(structure), "pressure_gpa": pressure_gpa}
        number, symbol = space_group(structure)
        elements = sorted(structure.composition.get_el_amt_dict())
        return cls(
            superconductor_id=content_hash("sc", identity),
            name=name,
            reduced_formula=structure.composition.reduced_formula,
            elements=elements,
            nelements=len(elements),
            family=family,
            prototype=prototype,
            structure=structure,
            space_group_number=number,
            space_group_symbol=symbol,
            pressure_gpa=pressure_gpa,
            lattice_source=lattice_source,
            dataset_ids=list(dataset_ids),
            experiment=list(experiment),
            theory=list(theory),
        )

    @property
    def tc_pressure_gpa(self) -> float:
        """Pressure (GPa) at which it is known to superconduct, the nearest to that of the crystal."""
        values: list[Measurement | Calculation] = [*self.experiment, *self.theory]
        known = [value.pressure_gpa for value in values if value.tc_k]
        return min(known, key=lambda pressure: abs(pressure - self.pressure_gpa), default=self.pressure_gpa)


def merge(old: SuperconductorDocument, new: SuperconductorDocument) -> SuperconductorDocument:
    """Add what a second source knows of the same crystal to what is known already.

    Parameters
    ----------
    old
        The stored document; it keeps its name, its structure and its time of creation.
    new
        A document with the same identifier.

    Returns
    -------
    SuperconductorDocument
        `old` itself where `new` brings nothing, so that a second import changes nothing.

    Raises
    ------
    ValueError
        If the two are different crystals.
    """
    if old.superconductor_id != new.superconductor_id:
        raise ValueError(f"{old.superconductor_id} and {new.superconductor_id} are different superconductors")
    additions = {
        "family": old.family or new.family,
        "prototype": old.prototype or new.prototype,
        "dataset_ids": _union(old.dataset_ids, new.dataset_ids),
        "experiment": _union(old.experiment, new.experiment),
        "theory": _union(old.theory, new.theory),
        "catalogued": _union(old.catalogued, new.catalogued),
    }
    if all(getattr(old, field) == value for field, value in additions.items()):
        return old
    return old.model_copy(update=additions | {"updated_at": utc_now()})


def _union(first: Sequence[T], second: Sequence[T]) -> list[T]:
    return list(dict.fromkeys([*first, *second]))
