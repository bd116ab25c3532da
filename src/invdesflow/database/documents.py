"""The base of every document: schema version, time stamps, provenance and content-hash identifiers."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Document", "Provenance", "UtcDatetime", "content_hash", "utc_now"]


def utc_now() -> datetime:
    """Return the current time in UTC, in the millisecond resolution that BSON keeps."""
    now = datetime.now(tz=UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _as_utc(value: object) -> object:
    # pymongo returns naive datetimes that are in UTC.
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


UtcDatetime = Annotated[datetime, BeforeValidator(_as_utc)]


def content_hash(prefix: str, content: Mapping[str, Any]) -> str:
    """Identify a document by what was asked: the same physics inputs give the same identifier.

    Parameters
    ----------
    prefix
        Short kind of the document, for example ``"rlx"``.
    content
        JSON-like physics inputs. Floats are taken at 12 significant digits, so that a round trip through text or
        another platform's last bit does not make a second document of the same question.

    Returns
    -------
    str
        ``prefix-`` and 16 hexadecimal digits of the SHA-256 of the canonical JSON.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    canonical = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{prefix}-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_canonical(item) for item in value]
    if isinstance(value, (bool, str, int, np.integer)) or value is None:
        return int(value) if isinstance(value, np.integer) else value
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise ValueError("an identifier cannot be made of a number that is not finite")
        return float(f"{value:.12g}") + 0.0  # + 0.0 turns -0.0 into 0.0
    raise TypeError(f"an identifier cannot be made of {type(value).__name__}")


class Provenance(BaseModel):
    """Where a document came from."""

    model_config = ConfigDict(extra="forbid")

    job_uuids: list[str] = Field(default_factory=list, description="jobflow jobs that wrote this document")
    directories: list[str] = Field(default_factory=list, description="run directories of those jobs")
    campaign: str | None = Field(None, description="campaign_id of the campaign that asked for it")
    campaign_round: int | None = Field(None, ge=0, description="round of that campaign")
    versions: dict[str, str] = Field(default_factory=dict, description="package -> version")


class Document(BaseModel):
    """Base of the documents in the collections.

    Subclasses name their collection and key, and raise `schema_version` when a stored field changes its meaning,
    together with a migration in `invdesflow.database.migrations`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    collection: ClassVar[str]
    key: ClassVar[str]
    current_schema_version: ClassVar[int] = 1

    schema_version: int = Field(1, description="version of the document model that wrote this document")
    created_at: UtcDatetime = Field(default_factory=utc_now)
    updated_at: UtcDatetime = Field(default_factory=utc_now)
    provenance: Provenance = Field(default_factory=Provenance)

    @property
    def identifier(self) -> str:
        """Value of the key field."""
        return str(getattr(self, self.key))

    def to_mongo(self) -> dict[str, Any]:
        """Return the dictionary that is stored; datetimes stay datetimes."""
        return self.model_dump(mode="python") | {"schema_version": self.current_schema_version}

    @classmethod
    def from_mongo(cls, data: Mapping[str, Any]) -> Self:
        """Validate a stored dictionary; MongoDB's own ``_id`` is ignored."""
        return cls.model_validate({name: value for name, value in data.items() if name != "_id"})
