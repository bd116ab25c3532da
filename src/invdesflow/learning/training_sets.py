"""Training sets: rows that are sound, split by formula once and for ever, and frozen by their content."""

import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.field import CrystalField
from invdesflow.database import Database
from invdesflow.database.documents import content_hash
from invdesflow.errors import DatabaseError, LearningError
from invdesflow.learning.training_set_documents import Kind, RowReference, TrainingSetDocument
from invdesflow.screening.training.splits import HELD_OUT_SHARE, formulas_digest, is_held_out

__all__ = ["LABELS", "SPLIT_RULE", "TrainingRow", "TrainingSet", "freeze"]

SPLIT_RULE = f"SHA-256 of 'held out FORMULA' below {HELD_OUT_SHARE} of its range (screening.training.splits)"
LABELS: Mapping[Kind, tuple[str, ...]] = {
    "tc": ("lambda_", "omega_log_mev", "tc_k"),
    "classifier": ("positive",),
    "formation-energy": ("formation_energy_ev_per_atom",),
    "generator": (),
    "potential": ("energy_ev",),
}
"""What every row of a kind must say."""
_WITH_TC = {"tc", "classifier", "generator"}
_COMPRESSION = 6


class TrainingRow(BaseModel):
    """One crystal with its labels."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    source: str = Field(pattern=r"^\w+:.+$", description="collection and identifier of the document")
    formula: str = Field(description="reduced formula")
    structure: CrystalField
    pressure_gpa: float = 0.0
    labels: dict[str, float]
    mu_star: float | None = Field(None, description="Coulomb pseudopotential of its Tc")

    @property
    def collection(self) -> str:
        """Collection that it came from."""
        return self.source.partition(":")[0]

    @property
    def held_out(self) -> bool:
        """Whether its formula belongs to those that no model learns from."""
        return is_held_out(self.formula)

    def content(self) -> dict[str, Any]:
        """Return what the row says, without where it came from."""
        return {
            "formula": self.formula,
            "lattice": self.structure.lattice.matrix.tolist(),
            "species": [site.specie.symbol for site in self.structure],
            "frac": self.structure.frac_coords.tolist(),
            "pressure_gpa": self.pressure_gpa,
            "labels": self.labels,
            "mu_star": self.mu_star,
        }

    def reference(self) -> RowReference:
        """Name the row and its content."""
        return RowReference(source=self.source, digest=content_hash("row", self.content()))


@dataclass(frozen=True)
class TrainingSet:
    """A frozen training set.

    Attributes
    ----------
    document
        What is said of it.
    rows
        Its rows, in the order of the document.
    """

    document: TrainingSetDocument
    rows: Sequence[TrainingRow]

    @property
    def taught(self) -> list[TrainingRow]:
        """Rows to learn from."""
        return [row for row in self.rows if not row.held_out]

    @property
    def held_out(self) -> list[TrainingRow]:
        """Rows to measure on."""
        return [row for row in self.rows if row.held_out]

    def unseen_by(
        self, earlier: TrainingSetDocument | None, shipped: Collection[str] = (), revealed: Collection[str] = ()
    ) -> list[bool]:
        """Tell for every row whether a model has not seen it.

        Parameters
        ----------
        earlier
            What the model was trained on; none for a model that ships.
        shipped
            Sources of the rows that come from the sets that models which ship learned from
            (`invdesflow.learning.training_set_builder.shipped_sources`).
        revealed
            Sources of rows that a round of learning asked for: they are new even to a model that ships.
        """
        if earlier is None:
            return [row.source not in shipped or row.source in revealed for row in self.rows]
        seen = {row.digest for row in earlier.rows}
        return [reference.digest not in seen for reference in self.document.rows]

    def save(self, database: Database) -> bool:
        """Store the rows, then the document; return whether it was new."""
        if database.collection(TrainingSetDocument).existing([self.document.training_set_id]):
            return False
        database.blobs.put(_pack(self.rows))
        return not database.collection(TrainingSetDocument).insert_new([self.document])

    @classmethod
    def load(cls, database: Database, training_set_id: str) -> Self:
        """Read a set back.

        Raises
        ------
        DatabaseError
            If its rows are missing or damaged.
        LearningError
            If there is no such set.
        """
        document = database.collection(TrainingSetDocument).get(training_set_id)
        if document is None:
            raise LearningError(f"There is no training set {training_set_id}.", "Build one with `invdesflow retrain`.")
        rows = list(_unpack(database.blobs.get(document.content)))
        if [row.reference() for row in rows] != document.rows:
            raise DatabaseError(f"The rows of {training_set_id} are not those that it names.", "Build it again.")
        return cls(document, rows)


def freeze(
    kind: Kind, rows: Iterable[TrainingRow], *, mu_star: float | None = None, left_out: Mapping[str, int] | None = None
) -> TrainingSet:
    """Check rows and freeze them into a set.

    Parameters
    ----------
    kind
        Kind of model that learns from them.
    rows
        In any order.
    mu_star
        Coulomb pseudopotential of every Tc; None where no Tc is learned.
    left_out
        Reason -> documents that were left out before.

    Raises
    ------
    LearningError
        If nothing can be learned from, or rows are contaminated: a number that is not finite, a label that is missing,
        another mu*, one row twice, or a formula that is not that of the crystal, by which one compound could stand on
        both sides of the split. Nothing is left out silently here: whoever made the rows has to know.
    """
    ordered = sorted(rows, key=lambda row: row.source)
    for row in ordered:
        _require_sound(kind, row, mu_star)
    references = [row.reference() for row in ordered]
    _require_distinct(references)
    taught = [row.formula for row in ordered if not row.held_out]
    if not taught:
        raise LearningError(
            f"There is nothing to learn from for a {kind} model: {_counted(left_out or {}) or 'no documents'}.",
            "Import known superconductors, or verify candidates first.",
        )
    identity = {"kind": kind, "mu_star": mu_star, "split": SPLIT_RULE, "rows": [row.digest for row in references]}
    document = TrainingSetDocument(
        training_set_id=content_hash("ts", identity | {"sources": [row.source for row in references]}),
        kind=kind,
        mu_star=mu_star,
        split_rule=SPLIT_RULE,
        rows=references,
        content=_digest(ordered),
        taught=len(taught),
        held_out=len(ordered) - len(taught),
        from_collection=dict(sorted(Counter(row.collection for row in ordered).items())),
        taught_formulas_digest=formulas_digest(taught),
        held_out_formulas_digest=formulas_digest([row.formula for row in ordered if row.held_out]),
        left_out=dict(sorted((left_out or {}).items())),
    )
    return TrainingSet(document, ordered)


def _require_sound(kind: Kind, row: TrainingRow, mu_star: float | None) -> None:
    missing = [name for name in LABELS[kind] if name not in row.labels]
    if missing:
        raise _contaminated(row, f"has no {missing[0]}")
    numbers = {**row.labels, "pressure_gpa": row.pressure_gpa}
    wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
    if wrong:
        raise _contaminated(row, f"has a {wrong[0]} that is not a number")
    if row.formula != row.structure.composition.reduced_formula:
        raise _contaminated(row, f"is called {row.formula} and is {row.structure.composition.reduced_formula}")
    if kind in _WITH_TC and "tc_k" in row.labels and row.mu_star != mu_star:
        raise _contaminated(row, f"has its Tc at mu* = {row.mu_star} and not at {mu_star}")


def _require_distinct(references: Sequence[RowReference]) -> None:
    sources = Counter(reference.source for reference in references)
    contents = Counter(reference.digest for reference in references)
    for reference in references:
        if sources[reference.source] > 1 or contents[reference.digest] > 1:
            raise LearningError(
                f"The training set is contaminated: {reference.source} stands in it twice.",
                "Deduplicate the rows before freezing them.",
            )


def _contaminated(row: TrainingRow, problem: str) -> LearningError:
    return LearningError(
        f"The training set is contaminated: {row.source} {problem}.", "Correct or delete that document."
    )


def _counted(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count} left out as {reason}" for reason, count in left_out.items())


def _lines(rows: Iterable[TrainingRow]) -> bytes:
    entries = ({"source": row.source, **row.content()} for row in rows)
    return b"\n".join(json.dumps(entry, sort_keys=True, allow_nan=False).encode() for entry in entries)


def _pack(rows: Iterable[TrainingRow]) -> bytes:
    return zlib.compress(_lines(rows), _COMPRESSION)


def _digest(rows: Iterable[TrainingRow]) -> str:
    return hashlib.sha256(_pack(rows)).hexdigest()


def _unpack(content: bytes) -> Iterator[TrainingRow]:
    try:
        for line in zlib.decompress(content).splitlines():
            entry = json.loads(line)
            crystal = Structure(Lattice(entry.pop("lattice")), entry.pop("species"), entry.pop("frac"))
            yield TrainingRow(structure=crystal, **entry)
    except (zlib.error, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DatabaseError("The rows of a training set are damaged.", "Build it again.") from error
