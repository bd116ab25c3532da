"""Rediscovery: ask a generator for the compositions of crystals that were kept from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.campaigns.journal import Journal
from invdesflow.campaigns.kept_drawings import Orbits
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.orbits import EncodedCrystals, OrbitCrystal
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.evaluation.rediscovery import Rediscovery, assess_rediscovery
from invdesflow.generation.evaluation.shares import Metrics
from invdesflow.progress import track

__all__ = ["RediscoveryEvaluation", "Samples", "evaluate_rediscovery"]

Question = Literal["composition", "composition and space group"]
FILES: dict[Question, str] = {
    "composition": "rediscovery.jsonl",
    "composition and space group": "rediscovery_space_group.jsonl",
}
COMPOSED_SHARE = 0.5
"""Half of the templates are composed: a family that was held out is in no training set."""


class Samples(BaseModel):
    """What was drawn for one target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(description="data set and name of the crystal in it")
    crystals: list[Orbits] = Field(description="drawings that stayed finite")
    refusal: str = Field(description="why the model cannot be asked for it; empty where it can")


class RediscoveryEvaluation(Metrics):
    """How many crystals were found again; a target that the model cannot be asked for counts as not found."""

    model: str
    model_digest: str
    seed: int
    sampler: dict[str, Any] = Field(description="settings of the sampler")
    from_composition: Rediscovery = Field(description="asked for composition and number of atoms")
    from_space_group: Rediscovery = Field(description="asked for composition, number of atoms and space group")
    refused_composition: int = Field(ge=0, description="targets whose composition the model could not be asked for")
    refused_space_group: int = Field(ge=0, description="targets that it could not be asked for with their space group")


def evaluate_rediscovery(
    model: GeneratorModel,
    crystals: EncodedCrystals,
    output: Path,
    *,
    samples: int = 20,
    seed: int = 0,
    sampler: SamplerSettings | None = None,
) -> RediscoveryEvaluation:
    """Ask for the composition of every crystal, with the space group left open and with it given.

    As in the published task the number of atoms in the primitive cell is given. Drawings are kept in `output` and not
    done again; the result is ``rediscovery.json``.

    Parameters
    ----------
    model
        Generator that has not seen the crystals.
    crystals
        Targets.
    output
        Folder of the files.
    samples
        Drawings for each target; the best match counts.
    seed
        Seed of the drawings.
    sampler
        How they are drawn; without it, with half of the templates composed.

    Raises
    ------
    ConfigurationError
        If there are no targets, `samples` is not positive, or `output` belongs to another evaluation.
    """
    if samples < 1 or not len(crystals):
        raise ConfigurationError(
            f"{samples} samples of {len(crystals)} crystals cannot be drawn.", "Ask for one or more of both."
        )
    settings = sampler or SamplerSettings(composed_share=COMPOSED_SHARE, chunk=samples)
    settings = settings.model_copy(update={"chunk": samples})
    asked = {
        question: _samples(model, crystals, output / file, question=question, seed=seed, settings=settings)
        for question, file in FILES.items()
    }
    found = {
        question: assess_rediscovery(track(_pairs(crystals, drawn), "matching", len(drawn)))
        for question, drawn in asked.items()
    }
    evaluation = RediscoveryEvaluation(
        model=model.name,
        model_digest=model.digest,
        seed=seed,
        sampler=settings.model_dump(mode="json"),
        from_composition=found["composition"],
        from_space_group=found["composition and space group"],
        refused_composition=sum(bool(one.refusal) for one in asked["composition"]),
        refused_space_group=sum(bool(one.refusal) for one in asked["composition and space group"]),
    )
    (output / "rediscovery.json").write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return evaluation


def _samples(
    model: GeneratorModel,
    crystals: EncodedCrystals,
    path: Path,
    *,
    question: Question,
    seed: int,
    settings: SamplerSettings,
) -> list[Samples]:
    """Draw for the targets that the file does not have yet."""
    head = {
        "model": model.digest,
        "asked": question,
        "sampler": settings.model_dump(mode="json"),
        "seed": seed,
        "targets": [str(identifier) for identifier in crystals.ids],
    }
    journal = Journal(path, head, Samples)
    kept = journal.read()
    for index in track(range(len(kept), len(crystals)), "drawing"):
        target = crystals.crystal(index)
        conditions = _conditions(target, with_space_group=question != "composition")
        drawn = _draw(model, conditions, settings, seed, str(crystals.ids[index]))
        journal.append(drawn)
        kept.append(drawn)
    return kept


def _conditions(target: OrbitCrystal, *, with_space_group: bool) -> Conditions:
    structure = decode(target)
    return Conditions(
        composition=structure.composition.formula.replace(" ", ""),
        n_atoms=len(structure),
        space_group=target.template.space_group if with_space_group else None,
    )


def _draw(model: GeneratorModel, conditions: Conditions, settings: SamplerSettings, seed: int, target: str) -> Samples:
    """Draw one chunk, which is as large as the number of samples."""
    try:
        sequence = Sampler(model, conditions, settings).draw(seed)
        drawn = [next(sequence) for _ in range(settings.chunk)]
    except ConfigurationError as error:
        return Samples(target=target, crystals=[], refusal=error.problem)
    return Samples(target=target, crystals=[Orbits.of(one) for one in drawn if one is not None], refusal="")


def _pairs(crystals: EncodedCrystals, drawn: list[Samples]) -> Iterator[tuple[Structure, list[Structure]]]:
    for target, own in zip(crystals.crystals(), drawn, strict=True):
        yield decode(target), [decode(orbits.crystal()) for orbits in own.crystals]
