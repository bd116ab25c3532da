"""Drawing until enough crystals pass the gates, without a database."""

from collections import Counter
from collections.abc import Iterator

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.proposals import DrawnCrystal, draw_crystals
from invdesflow.generation.diffusion.sampling import Sampler
from invdesflow.generation.documents import Rejection
from invdesflow.generation.gates import GateSettings, check

__all__ = ["Drawing"]

MOST_DRAWINGS_PER_CRYSTAL = 50
"""So many drawings for one accepted crystal mean that the conditions, not chance, stand in the way."""


class Drawing:
    """Crystals that pass the gates and are not drawn twice.

    Parameters
    ----------
    sampler
        What draws.
    number
        How many crystals are wanted.
    seed
        Seed of the sampler's sequence.
    gates
        What a crystal must pass; none lets everything pass.

    Raises
    ------
    ConfigurationError
        If the number is not positive.

    Attributes
    ----------
    refused
        What the gates refused so far, with the reasons.
    repeated
        How often a crystal was drawn again.
    unusable
        Drawings that did not stay finite, or whose atoms lie on top of each other.
    """

    def __init__(self, sampler: Sampler, number: int, seed: int, gates: GateSettings | None) -> None:
        if number < 1:
            raise ConfigurationError(f"{number} crystals cannot be drawn.", "Ask for 1 or more.")
        self._sampler = sampler
        self._number = number
        self._seed = seed
        self._gates = gates
        self.refused: list[tuple[DrawnCrystal, list[Rejection]]] = []
        self.repeated = 0
        self.unusable = 0

    def __iter__(self) -> Iterator[DrawnCrystal]:
        """Draw.

        Raises
        ------
        ConfigurationError
            If hardly any drawing passes.
        """
        accepted: set[str] = set()
        most = self._number * MOST_DRAWINGS_PER_CRYSTAL
        for usable, crystal in enumerate(draw_crystals(self._sampler, self._seed, most)):
            self.unusable = crystal.index - usable
            rejections = check(crystal.structure, self._gates, crystal.intended_space_group) if self._gates else []
            if rejections:
                self.refused.append((crystal, rejections))
            elif crystal.candidate_id in accepted:
                self.repeated += 1
            else:
                accepted.add(crystal.candidate_id)
                yield crystal
                if len(accepted) == self._number:
                    return
        raise ConfigurationError(
            f"Only {len(accepted)} of {self._number} crystals passed in {most} drawings: {self.summary()}",
            "Ask for fewer crystals, or loosen the conditions.",
        )

    def summary(self) -> str:
        """Say in one line what was not taken."""
        gates = Counter(rejections[0].gate for _, rejections in self.refused)
        parts = [f"{count} by {gate}" for gate, count in gates.most_common()]
        refused = f"{len(self.refused)} refused ({', '.join(parts) or 'none'})"
        return f"{refused}, {self.repeated} drawn again, {self.unusable} unusable."
