"""`RelaxationDocument`: one relaxation of one crystal with one potential, as it is stored."""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.crystals.field import CrystalField, structure_to_dict
from invdesflow.database.documents import Document, content_hash
from invdesflow.relaxation.potentials import Kind, Potential
from invdesflow.relaxation.relaxation import RelaxationResult, RelaxationSettings

__all__ = ["PotentialReference", "RelaxationDocument", "Subject", "calculation_id", "relaxation_id"]


class Subject(BaseModel):
    """What was relaxed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["candidate", "superconductor", "reference", "element"] = Field(
        description="collection, or elemental reference"
    )
    id: str = Field(description="candidate_id, superconductor_id, reference_id, or symbol and polymorph of the element")


class PotentialReference(BaseModel):
    """A potential as documents name it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="program that evaluates it")
    model: str = Field(description="name of the weights, or the path that they were read from")
    digest: str = Field(description="SHA-256 of the weights file")


def calculation_id(prefix: str, structure: Structure, potential: Potential, settings: BaseModel) -> str:
    """Identify a calculation with a potential by its question: the crystal as given, the weights and the settings."""
    crystal = structure_to_dict(structure)
    return content_hash(
        prefix,
        {
            "lattice": crystal["lattice"]["matrix"],
            "sites": [[site["label"], *site["abc"]] for site in crystal["sites"]],
            "potential": potential.digest,
            "settings": settings.model_dump(),
        },
    )


def relaxation_id(subject: Subject, structure: Structure, potential: Potential, settings: RelaxationSettings) -> str:
    """Identify a relaxation, by its subject too: each of two that are one crystal is looked for by its own name."""
    return content_hash(
        "rlx", {"subject": subject.model_dump(), "question": calculation_id("rlx", structure, potential, settings)}
    )


class RelaxationDocument(Document):
    """One relaxation of one crystal with one potential."""

    collection: ClassVar[str] = "relaxations"
    key: ClassVar[str] = "relaxation_id"

    relaxation_id: str = Field(description="hash of the subject, the initial structure, the weights and the settings")
    subject: Subject
    potential: PotentialReference
    settings: RelaxationSettings

    reduced_formula: str = Field(description="for example Nb3Sn")
    elements: list[str] = Field(description="symbols in alphabetical order")
    chemical_system: str = Field(description="symbols in alphabetical order, joined by hyphens")
    nsites: int = Field(ge=1)
    initial_structure: CrystalField
    final_structure: CrystalField

    converged: bool
    reason: str = Field(description="why it did not converge; empty when it did")
    energy_ev: float | None = Field(description="E of the final structure (eV per cell); None if there is none")
    energy_ev_per_atom: float | None
    enthalpy_ev: float | None = Field(description="E + pV (eV per cell)")
    enthalpy_ev_per_atom: float | None
    max_force: float | None = Field(description="largest force on an atom (eV/A)")
    stress_gpa: list[list[float]] | None = Field(description="Cauchy stress, 3x3, positive under tension (GPa)")
    n_steps: int | None = Field(ge=0, description="accepted steps; None where it broke off, like all that follows")
    n_force_evaluations: int | None = Field(ge=0)
    volume_change: float | None = Field(description="V/V0 - 1")
    spacegroup_before: int | None
    spacegroup_after: int | None
    wall_time_s: float | None = Field(ge=0)

    @classmethod
    def from_result(
        cls,
        structure: Structure,
        result: RelaxationResult,
        subject: Subject,
        potential: Potential,
        settings: RelaxationSettings,
        **fields: Any,
    ) -> Self:
        """Describe the relaxation of `structure` that ended in `result`.

        Parameters
        ----------
        structure
            The crystal as it was given to `relax`.
        result
            What came back.
        subject
            Whose structure it is.
        potential, settings
            What it was relaxed with.
        **fields
            Fields of the base document, `provenance` above all.
        """
        n_sites = len(structure)
        elements = sorted(element.symbol for element in structure.composition.elements)
        return cls(
            relaxation_id=relaxation_id(subject, structure, potential, settings),
            subject=subject,
            potential=PotentialReference(kind=potential.kind, model=potential.model, digest=potential.digest),
            settings=settings,
            reduced_formula=structure.composition.reduced_formula,
            elements=elements,
            chemical_system="-".join(elements),
            nsites=n_sites,
            initial_structure=structure,
            final_structure=result.structure,
            converged=result.converged,
            reason=result.reason,
            energy_ev=result.energy_ev,
            energy_ev_per_atom=None if result.energy_ev is None else result.energy_ev / n_sites,
            enthalpy_ev=result.enthalpy_ev,
            enthalpy_ev_per_atom=None if result.enthalpy_ev is None else result.enthalpy_ev / n_sites,
            max_force=result.max_force,
            stress_gpa=result.stress_gpa,
            n_steps=result.n_steps,
            n_force_evaluations=result.n_force_evaluations,
            volume_change=result.volume_change,
            spacegroup_before=result.spacegroup_before,
            spacegroup_after=result.spacegroup_after,
            wall_time_s=result.wall_time_s,
            **fields,
        )
