"""What a potential has seen: the compositions that it and the models it was fine-tuned from were trained on."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from invdesflow.errors import LearningError
from invdesflow.learning.potential.frames import Frame, compositions

__all__ = ["CARD", "UNKNOWN", "Seen"]

CARD = "card.json"
"""Card of a training, in its folder, beside the model and its checkpoint."""
UNKNOWN = "What the parent was trained on is unknown: it may have seen what is held out."


@dataclass(frozen=True)
class Seen:
    """Compositions that weights come from.

    Attributes
    ----------
    compositions
        Reduced formulas.
    complete
        Whether that is all: of a model that was trained elsewhere nothing is known.
    """

    compositions: frozenset[str] = frozenset()
    complete: bool = True

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Self:
        """Read what a model of a training of ours has seen."""
        own = card["training_set"]["compositions"]
        before = card.get("seen_by_parent")
        if before is None:  # a card of old says nothing of a parent
            return cls(frozenset(own), card.get("parent_sha256") is None)
        return cls(frozenset(own) | frozenset(before["compositions"]), before["complete"])

    @classmethod
    def of_file(cls, model: Path) -> Self:
        """Find what a model or a checkpoint has seen, by the card of the training in whose folder it lies."""
        card = model.resolve().with_name(CARD)
        if not (model.is_file() and card.is_file()):
            return cls(complete=False)
        return cls.of_card(json.loads(card.read_text(encoding="utf-8")))

    def to_card(self) -> dict[str, Any]:
        """Return what the card of a child says."""
        return {"compositions": sorted(self.compositions), "complete": self.complete}

    def require_unseen(self, held_out: Iterable[Frame]) -> None:
        """Refuse to measure on what was trained on.

        Raises
        ------
        LearningError
            If a composition was seen.
        """
        shared = sorted(self.compositions & set(compositions(held_out)))
        if shared:
            raise LearningError(
                f"The potential, or a model that it was fine-tuned from, was trained on {', '.join(shared)}.",
                "Measure it on other compositions.",
            )
