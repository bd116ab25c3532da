"""How good a trained generator is: validity, novelty, symmetry and stability of what it draws."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field
from pymatgen.core import Composition, Structure

from invdesflow.campaigns.generator_stability import Drawn, RelaxationEvaluation, relax_drawn
from invdesflow.campaigns.kept_drawings import draw_kept
from invdesflow.crystals.writing import structure_to_text
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.sampling import SamplerSettings
from invdesflow.generation.evaluation.benchmark import BenchmarkResult, evaluate_benchmark
from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.generation.evaluation.uniqueness import (
    Newness,
    Novelty,
    newness,
    space_group_share,
    summarise_newness,
)
from invdesflow.generation.evaluation.validity import Validity, assess_validity
from invdesflow.generation.known_compounds import shipped_compounds
from invdesflow.generation.novelty import Crystal, CrystalIndex
from invdesflow.progress import track
from invdesflow.relaxation.potentials import Potential, find_potential

__all__ = ["ModelEvaluation", "evaluate_benchmark_model", "evaluate_model"]

PUBLISHED_DRAWINGS = 10_000


class ModelEvaluation(Metrics):
    """What a model draws without conditions; all shares but the first are of the drawings that stayed finite."""

    model: str
    model_digest: str
    seed: int
    sampler: dict[str, Any] = Field(description="settings of the sampler")
    conditions: dict[str, Any] = Field(description="conditions that were set")
    finite: Share = Field(description="drawings whose numbers stayed finite")
    validity: Validity
    intended_space_group: Share = Field(description="spglib finds the intended space group at 0.01 A")
    compared_crystals: int = Field(
        ge=0,
        description="given crystals with a formula that was drawn: structures are compared with them. If none are given"
        " at all, a structure counts as new where no known compound has its formula and space group",
    )
    novelty: Novelty
    relaxation: RelaxationEvaluation | None = Field(description="None where nothing was to be relaxed")


def evaluate_model(
    model: GeneratorModel,
    output: Path,
    *,
    n: int = 1000,
    relax: int = 200,
    seed: int = 0,
    conditions: Conditions | None = None,
    sampler: SamplerSettings | None = None,
    training: EncodedCrystals | None = None,
    materials_project: Path | None = None,
    most_competitors: int = 1000,
    potential: Potential | None = None,
    workers: int | None = None,
) -> ModelEvaluation:
    """Draw crystals and measure them; relax some of them and compare them with the convex hull.

    1. `n` crystals are drawn; every drawing counts, none is gated away.
    2. Validity, symmetry, uniqueness and novelty are measured on all of them.
    3. The first `relax` of them are relaxed, and so is what competes with them: elements, and compounds near the hull.
    4. Novelty is asked again of the relaxed ones for the share that is stable, unique and novel.

    What takes long is kept in `output` and not done again: ``drawings.jsonl``, ``relaxations.jsonl``. There are also
    ``generated.extxyz``, ``relaxed.extxyz`` and the result as ``evaluation.json``.

    Parameters
    ----------
    model
        Trained generator.
    output
        Folder of the files.
    n, relax
        Crystals to draw, and how many of them to relax.
    seed
        Seed of the drawings.
    conditions, sampler
        What is asked, and how it is drawn; the defaults where none are given.
    training
        Crystals that structures are compared with, those that the model was trained on above all.
    materials_project
        JSON lines of crystals that compete for the hull; without it the elements alone do.
    most_competitors
        Most compounds that are relaxed for the hull.
    potential
        The default potential where none is given.
    workers
        Processes that relax.

    Raises
    ------
    ConfigurationError
        If `n` is not positive or `relax` negative, the conditions cannot be met, a file cannot be read, `output`
        belongs to another evaluation, or SMACT is not installed.
    PotentialError
        If the potential cannot be loaded.
    """
    if relax < 0:
        raise ConfigurationError(f"{relax} crystals cannot be relaxed.", "Ask for none or more.")
    conditions, sampler = conditions or Conditions(), sampler or SamplerSettings()
    path = output / "drawings.jsonl"
    kept = draw_kept(model, conditions, sampler, seed=seed, n=n, path=path)
    drawn = [
        Drawn(index, decode(crystal), crystal.template.space_group)
        for index, crystal in enumerate(kept)
        if crystal is not None
    ]
    structures = [one.structure for one in drawn]
    _write_generated(drawn, output / "generated.extxyz")
    known = _known_crystals(training, structures)
    relaxation = None
    if relax:
        relaxation = relax_drawn(
            drawn[:relax],
            output,
            potential=potential or find_potential(),
            materials_project=materials_project,
            most_competitors=most_competitors,
            newness_of=partial(_newness, known=known),
            workers=workers,
        )
    evaluation = ModelEvaluation(
        model=model.name,
        model_digest=model.digest,
        seed=seed,
        sampler=sampler.model_dump(mode="json"),
        conditions=conditions.model_dump(mode="json", exclude_defaults=True),
        finite=Share(count=len(drawn), total=n),
        validity=assess_validity(track(structures, "validity")),
        intended_space_group=space_group_share(
            track(structures, "symmetry"), [one.intended_space_group for one in drawn]
        ),
        compared_crystals=0 if known is None else len(known),
        novelty=summarise_newness(_newness(structures, known)),
        relaxation=relaxation,
    )
    _write(output / "evaluation.json", evaluation)
    return evaluation


def evaluate_benchmark_model(
    model: GeneratorModel,
    benchmark: str,
    reference: Sequence[Structure],
    output: Path,
    *,
    n: int = PUBLISHED_DRAWINGS,
    seed: int = 0,
    sampler: SamplerSettings | None = None,
    fingerprinted: int | None = None,
    processes: int = 1,
) -> BenchmarkResult:
    """Draw crystals from a model that was trained on a benchmark and measure them as published.

    Parameters
    ----------
    model
        Generator trained on the training part of the benchmark.
    benchmark
        ``perov_5``, ``carbon_24`` or ``mp_20``.
    reference
        Its test set.
    output
        Folder of the drawings, the fingerprints and the result, ``benchmark.json``.
    n
        Crystals to draw. One that does not stay finite is left out, as the number in the result shows.
    seed
        Seed of the drawings and of the random choices.
    sampler
        How crystals are drawn.
    fingerprinted, processes
        See `invdesflow.generation.evaluation.benchmark.evaluate_benchmark`.

    Raises
    ------
    CampaignError
        If the benchmark is unknown, or there are no crystals or no valid ones.
    ConfigurationError
        As `evaluate_model`.
    """
    path = output / "drawings.jsonl"
    kept = draw_kept(model, Conditions(), sampler or SamplerSettings(), seed=seed, n=n, path=path)
    result = evaluate_benchmark(
        benchmark,
        [decode(crystal) for crystal in kept if crystal is not None],
        reference,
        seed=seed,
        fingerprinted=fingerprinted,
        cache_folder=output / "fingerprints",
        processes=processes,
    )
    _write(output / "benchmark.json", result)
    return result


def _write(path: Path, metrics: Metrics) -> None:
    path.write_text(metrics.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _write_generated(drawn: Sequence[Drawn], path: Path) -> None:
    frames = (
        structure_to_text(
            one.structure, "extxyz", {"index": one.index, "intended_space_group": one.intended_space_group}
        )
        for one in drawn
    )
    path.write_text("".join(frames), encoding="utf-8")


def _known_crystals(training: EncodedCrystals | None, structures: Sequence[Structure]) -> list[Crystal] | None:
    """Return the crystals of a formula that was drawn."""
    if training is None:
        return None
    formulas = {structure.composition.reduced_formula for structure in structures}
    return [
        Crystal(str(training.ids[index]), "training set", decode(training.crystal(index)))
        for index, formula in enumerate(training.formulas)
        if Composition(str(formula)).reduced_formula in formulas
    ]


def _newness(structures: Sequence[Structure], known: list[Crystal] | None) -> list[Newness | None]:
    compounds = shipped_compounds()
    if known is not None:
        return newness(track(structures, "novelty"), CrystalIndex(known), compounds)
    found = newness(track(structures, "novelty"), compounds)
    return [one and _by_compound(one, structure) for one, structure in zip(found, structures, strict=True)]


def _by_compound(found: Newness, structure: Structure) -> Newness:
    """Take a crystal for known where a known compound has its formula and space group."""
    crystal = Crystal("", "", structure)
    known = shipped_compounds().has_formula_and_space_group(crystal.formula, crystal.space_group)
    return Newness(found.unique, not known, found.new_composition)
