"""Documents for the tests of the database, and a builder that makes them."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from invdesflow.database.builders import DocumentBuilder
from invdesflow.database.summary import SummaryDocument


def summary(identifier: str, **fields: Any) -> SummaryDocument:
    """Make a summary of MgB2 with other fields where they are given."""
    values = {
        "candidate_id": identifier,
        "reduced_formula": "MgB2",
        "anonymous_formula": "AB2",
        "chemical_system": "B-Mg",
        "elements": ["B", "Mg"],
        "nelements": 2,
        "nsites": 3,
        "space_group_number": 191,
        "space_group_symbol": "P6/mmm",
        "volume_per_atom": 9.7,
        "stage": "screened",
        "rejected": False,
        "origins": ["substitution"],
        "campaigns": ["first"],
        "sources_digest": "none",
    }
    return SummaryDocument(**(values | fields))


class SumBuilder(DocumentBuilder[SummaryDocument]):
    """Write the sum of the values of each group into `tc_k`; a negative value makes the build of its group fail."""

    target: ClassVar[type[SummaryDocument]] = SummaryDocument

    def _groups(self) -> dict[str, list[float]]:
        groups: dict[str, list[float]] = {}
        for row in self.database.raw["members"].find().sort("name"):
            groups.setdefault(row["group"], []).append(row["value"])
        return groups

    def current_digests(self) -> dict[str, str]:
        return {
            group: hashlib.sha256(json.dumps(values).encode()).hexdigest() for group, values in self._groups().items()
        }

    def gather(self, digests: dict[str, str]) -> Iterator[tuple[str, str, list[float]]]:
        groups = self._groups()
        for group, digest in digests.items():
            yield group, digest, groups[group]

    def build(self, item: tuple[str, str, list[float]]) -> list[SummaryDocument]:
        group, digest, values = item
        if min(values) < 0:
            raise ValueError("a negative member")
        return [summary(group, tc_k=sum(values), sources_digest=digest)]

    def keys(self, item: tuple[str, str, list[float]]) -> list[str]:
        return [item[0]]
