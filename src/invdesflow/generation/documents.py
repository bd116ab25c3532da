"""What the database keeps of a candidate crystal, accepted or rejected, and of where it came from."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pymatgen.core import Structure

from invdesflow.crystals.field import CrystalField
from invdesflow.crystals.geometry import volume_per_atom
from invdesflow.crystals.identity import candidate_id
from invdesflow.crystals.symmetry import space_group
from invdesflow.database.documents import Document, UtcDatetime, utc_now

__all__ = ["CandidateDocument", "Generator", "NoveltyResult", "Origin", "Rejection", "candidate_document"]


class Generator(BaseModel):
    """What made a crystal."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="name of the program or the model")
    version: str | None = Field(None, description="its version")
    digest: str | None = Field(None, description="SHA-256 of the model's weights, where it has any")


class Origin(BaseModel):
    """One way in which a candidate came into the database; the same crystal may be found in several."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["substitution", "diffusion", "import", "intercalation"]
    parents: list[str] = Field(default_factory=list, description="superconductor_id or candidate_id of the parents")
    replacements: dict[str, str] = Field(default_factory=dict, description="element of the parent -> element here")
    generator: Generator
    conditions: dict[str, JsonValue] = Field(default_factory=dict, description="what was asked of the generator")
    sampler: dict[str, JsonValue] = Field(default_factory=dict, description="how the generator drew it")
    seed: int | None = Field(None, description="seed of the sequence of proposals")
    index: int | None = Field(None, ge=0, description="position in that sequence")
    campaign: str | None = Field(None, description="campaign_id")
    campaign_round: int | None = Field(None, ge=0)
    at: UtcDatetime = Field(default_factory=utc_now)


class Rejection(BaseModel):
    """Why a gate refused a crystal."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    gate: str = Field(description="name of the gate")
    reason: str = Field(description="one sentence")
    value: float | None = Field(None, description="what was measured, if it is a number")
    threshold: float | None = Field(None, description="what it was compared with")


class NoveltyResult(BaseModel):
    """What is new in a candidate compared with everything that was known when it was made."""

    model_config = ConfigDict(extra="forbid")

    new_composition: bool = Field(
        description="its reduced formula is neither in the database nor among the shipped known compounds"
    )
    known_compound: bool | None = Field(
        None, description="a known compound has its formula in its space group, whatever its structure; none: not asked"
    )
    new_structure: bool = Field(description="no known crystal of its formula and space group is the same")
    matched_id: str | None = Field(None, description="identifier of the known crystal that is the same")
    matched_collection: str | None = Field(None, description="collection of that crystal")


class CandidateDocument(Document):
    """One crystal that was proposed, with everything that proposed it and the gates that refused it."""

    collection: ClassVar[str] = "candidates"
    key: ClassVar[str] = "candidate_id"

    candidate_id: str = Field(pattern=r"^cand-[0-9a-f]{16}$", description="hash of the crystal's fingerprint")
    structure: CrystalField
    reduced_formula: str = Field(description="for example Nb3Sn")
    anonymous_formula: str = Field(description="for example AB3")
    chemical_system: str = Field(description="elements in alphabetical order, for example Nb-Sn")
    elements: list[str] = Field(description="symbols in alphabetical order")
    nelements: int = Field(ge=1)
    nsites: int = Field(ge=1, description="atoms in the cell of `structure`")
    space_group_number: int = Field(ge=1, le=230)
    space_group_symbol: str
    volume_per_atom: float = Field(gt=0, description="cubic Angstrom per atom")
    origins: list[Origin] = Field(min_length=1)
    novelty: NoveltyResult | None = Field(None, description="none where a gate refused the crystal before")
    status: Literal["accepted", "rejected"]
    rejections: list[Rejection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _rejected_with_a_reason(self) -> Self:
        if (self.status == "rejected") != bool(self.rejections):
            raise ValueError("a candidate is rejected if and only if it has a rejection")
        return self


def candidate_document(
    structure: Structure,
    origin: Origin,
    rejections: list[Rejection],
    novelty: NoveltyResult | None = None,
    identifier: str | None = None,
) -> CandidateDocument:
    """Describe a crystal as a document: rejected if there is a rejection.

    Parameters
    ----------
    structure
        Ordered crystal.
    origin
        Where it came from.
    rejections
        What `invdesflow.generation.gates.check` and the novelty gate say.
    novelty
        Comparison with what is known, where it was made.
    identifier
        `candidate_id` of the crystal where the caller has it; to find it takes longer than all the rest.

    Raises
    ------
    StructureError
        If the crystal has no symmetry that spglib can find: it cannot be identified.
    """
    composition = structure.composition
    number, symbol = space_group(structure)
    elements = sorted(element.symbol for element in composition.elements)
    return CandidateDocument(
        candidate_id=identifier or candidate_id(structure),
        structure=structure,
        reduced_formula=composition.reduced_formula,
        anonymous_formula=composition.anonymized_formula,
        chemical_system="-".join(elements),
        elements=elements,
        nelements=len(elements),
        nsites=len(structure),
        space_group_number=number,
        space_group_symbol=symbol,
        volume_per_atom=volume_per_atom(structure),
        origins=[origin],
        novelty=novelty,
        status="rejected" if rejections else "accepted",
        rejections=rejections,
    )
