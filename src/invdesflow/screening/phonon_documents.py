"""`PhononDocument`: whether one candidate is dynamically stable with one potential, as it is stored."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from pymatgen.core import Structure

from invdesflow.crystals.field import CrystalField
from invdesflow.database.documents import Document
from invdesflow.relaxation.documents import PotentialReference, calculation_id
from invdesflow.relaxation.potentials import Potential
from invdesflow.screening.phonon_spectrum import Spectrum
from invdesflow.screening.phonons import PhononResult, PhononSettings, Verdict

__all__ = ["PhononDocument", "phonon_id"]


def phonon_id(structure: Structure, potential: Potential, settings: PhononSettings) -> str:
    """Identify a phonon calculation by its question: the relaxed crystal, the weights and the settings."""
    return calculation_id("ph", structure, potential, settings)


class PhononDocument(Document):
    """Harmonic phonons of one candidate with one potential."""

    collection: ClassVar[str] = "phonons"
    key: ClassVar[str] = "phonon_id"

    phonon_id: str = Field(description="hash of the relaxed structure, the weights and the settings")
    candidate_id: str
    relaxation_id: str = Field(description="the relaxation that it came out of")
    reduced_formula: str
    potential: PotentialReference
    settings: PhononSettings

    status: Verdict = Field(description="failed: there is no answer")
    reason: str = Field(description="what is unstable, or why there is no answer; empty when stable")
    primitive: CrystalField | None = Field(description="cell that wave vectors refer to; none if it was not found")
    supercell_matrix: list[list[int]] | None = Field(description="3x3, columns in vectors of the primitive cell")
    n_atoms: int | None = Field(ge=1, description="atoms in the supercell")
    n_displacements: int = Field(ge=0, description="displaced supercells whose forces were computed")
    residual_force: float | None = Field(ge=0, description="largest force without displacements (eV/A)")
    spectrum: Spectrum | None = Field(description="frequencies and imaginary modes; none if there are none")
    arrays: str | None = Field(
        None, description="SHA-256 of bands and density of states in GridFS (invdesflow.screening.phonon_bands)"
    )
    wall_time_s: float | None = Field(ge=0, description="time taken (s); none if the calculation broke off")

    @model_validator(mode="after")
    def _verdict_has_grounds(self) -> Self:
        if (self.status == "stable") != (not self.reason):
            raise ValueError("all but a stable crystal need a reason")
        if self.status != "failed" and self.spectrum is None:
            raise ValueError("a verdict needs frequencies")
        return self

    @classmethod
    def from_result(
        cls,
        structure: Structure,
        result: PhononResult,
        potential: Potential,
        settings: PhononSettings,
        **fields: Any,
    ) -> Self:
        """Describe the phonons of `structure`.

        Parameters
        ----------
        structure
            The crystal as it was given to `harmonic_phonons`.
        result
            What came back.
        potential, settings
            What it was computed with.
        **fields
            `candidate_id`, `relaxation_id`, `arrays`, and fields of the base document.
        """
        known = {name: value for name, value in vars(result).items() if name != "bands"}
        return cls(
            phonon_id=phonon_id(structure, potential, settings),
            reduced_formula=structure.composition.reduced_formula,
            potential=PotentialReference(kind=potential.kind, model=potential.model, digest=potential.digest),
            settings=settings,
            **known,
            **fields,
        )
