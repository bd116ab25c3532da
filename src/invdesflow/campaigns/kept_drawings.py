"""Drawings of the generator, kept in a file."""

from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.campaigns.journal import Journal
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.diffusion.templates import Template
from invdesflow.progress import track

__all__ = ["KeptDrawing", "Orbits", "draw_kept"]


class Orbits(BaseModel):
    """An `OrbitCrystal` as JSON has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space_group: int
    letters: str
    elements: tuple[int, ...]
    parameters: list[list[float]]
    lattice: list[list[float]]

    @classmethod
    def of(cls, crystal: OrbitCrystal) -> Self:
        """Describe a crystal."""
        return cls(
            space_group=crystal.template.space_group,
            letters="".join(crystal.template.letters),
            elements=crystal.elements,
            parameters=crystal.parameters.tolist(),
            lattice=crystal.lattice.tolist(),
        )

    def crystal(self) -> OrbitCrystal:
        """Return the crystal; the same numbers to the last bit."""
        template = Template(self.space_group, tuple(self.letters))
        return OrbitCrystal(template, self.elements, np.array(self.parameters), np.array(self.lattice))


class KeptDrawing(BaseModel):
    """One drawing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int = Field(ge=0, description="position in the sequence of the sampler")
    orbits: Orbits | None = Field(description="the crystal; null where it did not stay finite")


def draw_kept(
    model: GeneratorModel, conditions: Conditions, settings: SamplerSettings, *, seed: int, n: int, path: Path
) -> list[OrbitCrystal | None]:
    """Draw crystals, or read those that the file has already.

    Parameters
    ----------
    model
        Trained generator.
    conditions, settings
        What is asked, and how it is drawn.
    seed
        Seed of the sequence.
    n
        Number of drawings.
    path
        JSON lines, see `invdesflow.campaigns.journal.Journal`.

    Returns
    -------
    list of OrbitCrystal or None
        The first `n` of the sequence; None for a drawing that did not stay finite.

    Raises
    ------
    ConfigurationError
        If `n` is not positive, the conditions cannot be met, or the file belongs to other drawings.
    """
    if n < 1:
        raise ConfigurationError(f"{n} crystals cannot be drawn.", "Ask for one or more.")
    question = {
        "model": model.digest,
        "conditions": conditions.model_dump(mode="json"),
        "sampler": settings.model_dump(mode="json"),
        "seed": seed,
    }
    journal = Journal(path, question, KeptDrawing)
    kept = [drawing.orbits.crystal() if drawing.orbits else None for drawing in journal.read()]
    sequence = islice(Sampler(model, conditions, settings).draw(seed, first=len(kept)), max(0, n - len(kept)))
    for index, crystal in enumerate(track(sequence, "drawing", max(0, n - len(kept))), start=len(kept)):
        journal.append(KeptDrawing(index=index, orbits=Orbits.of(crystal) if crystal else None))
        kept.append(crystal)
    return kept[:n]
