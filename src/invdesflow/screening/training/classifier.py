"""Train the superconductor classifier and evaluate it on formulas that it has not seen.

``python -m invdesflow.screening.training.classifier --alexandria PATH --jarvis PATH --materials-project PATH
--cache DIR --output DIR`` writes the weights and their card, and prints the tables of the model card.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from invdesflow.model_files import read_card, write_model
from invdesflow.progress import track
from invdesflow.screening.classifier import KIND, VERSION, Classifier, Shape, probabilities
from invdesflow.screening.graph_encoder import ClassifierNetwork
from invdesflow.screening.site_features import SiteScale
from invdesflow.screening.training.classes import DATA_SETS, KINDS, MU_STAR
from invdesflow.screening.training.classifier_fitting import Recipe, fine_tune, network_logits, pre_train
from invdesflow.screening.training.classifier_forest import forest_scores
from invdesflow.screening.training.classifier_report import Judged, calibrate, figures, print_figures, ranking
from invdesflow.screening.training.classifier_table import ClassTable, fit_scale, read_table
from invdesflow.screening.training.splits import FOLDS, formulas_digest

__all__ = ["Trial", "Variant", "cross_validate", "evaluate", "main", "train"]

LICENCES = {
    "alexandria": "MIT",
    "jarvis": "NIST, public domain in the US",
    "materials-project": "CC BY 4.0",
}


@dataclass(frozen=True)
class Variant:
    """Which parts a model has: the potential's features, and the pre-training."""

    potential: bool = True
    pretrained: bool = True

    @property
    def name(self) -> str:
        """Name in the tables."""
        inputs = "elements and CHGNet" if self.potential else "elements"
        return f"{inputs}, {'pre-trained' if self.pretrained else 'from scratch'}"


VARIANTS = (Variant(True, True), Variant(True, False), Variant(False, True), Variant(False, False))


@dataclass(frozen=True)
class Trial:
    """A variant in the cross-validation.

    Parameters
    ----------
    name
        Of the variant.
    networks, scale
        The members and what they read.
    logits
        Of the member that has not seen the formula, also in its pre-training; NaN for the frozen tenth and for what
        has no class, shape (crystals,).
    """

    name: str
    networks: list[ClassifierNetwork]
    scale: SiteScale
    logits: NDArray[np.float64]

    def judged(self, table: ClassTable) -> Judged:
        """Return what is held out with its logits."""
        return _judged(table, self.logits)


def cross_validate(table: ClassTable, variant: Variant, recipe: Recipe, checkpoints: Path | None) -> Trial:
    """Train a member without each fold, and let it judge that fold."""
    scale = fit_scale(table, variant.potential)
    logits = np.full(len(table.kinds), np.nan)
    networks = []
    for fold in track(range(FOLDS), variant.name, FOLDS):
        encoder = pre_train(table, scale, recipe, fold, checkpoints=checkpoints) if variant.pretrained else None
        network = fine_tune(table, scale, recipe, fold, encoder=encoder, checkpoints=checkpoints)
        rows = np.flatnonzero(table.labelled & ~table.held_out & (table.folds == fold))
        logits[rows] = network_logits(network, table, scale, rows)
        networks.append(network)
    return Trial(variant.name, networks, scale, logits)


def together(one: Trial, other: Trial) -> Trial:
    """Average two variants that read the same."""
    logits = (one.logits + other.logits) / 2.0
    return Trial(f"{one.name}; {other.name}; averaged", one.networks + other.networks, one.scale, logits)


def train(
    table: ClassTable,
    recipe: Recipe,
    output: Path,
    *,
    variants: Sequence[Variant] = VARIANTS,
    checkpoints: Path | None = None,
) -> list[Trial]:
    """Train every variant, and write the best calibrated: by its average precision on unseen formulas.

    Pre-trained networks and those from scratch that read the same compete also in their average.

    Weights and card are ``output/classifier.*``; the weights are stored in half precision, and the metrics on the
    frozen tenth are those of the stored weights.

    Returns
    -------
    list of Trial
        All variants and averages, best first.
    """
    found = {variant: cross_validate(table, variant, recipe, checkpoints) for variant in variants}
    trials = list(found.values())
    for potential in (True, False):
        pair = [Variant(potential, True), Variant(potential, False)]
        if all(variant in found for variant in pair):
            trials.append(together(*(found[variant] for variant in pair)))
    trials.sort(key=lambda trial: -ranking(trial.judged(table))["AP"])
    best = trials[0]
    law = calibrate(best.judged(table))
    scale = best.scale
    arrays = {"elements": scale.elements, "potential_mean": scale.mean, "potential_deviation": scale.deviation}
    for number, network in enumerate(best.networks):
        arrays |= {f"member{number}.{name}": w.half().numpy() for name, w in network.state_dict().items()}
    card = _card(table, recipe) | {
        "variant": best.name,
        "calibration": law,
        "cross_validation": figures(_judged(table, probabilities(best.logits, law["slope"], law["intercept"]))),
        "members": len(best.networks),
    }
    path = output / "classifier.safetensors"
    write_model(path, arrays, card)
    rows = table.labelled & table.held_out
    held_out = {
        "rows": int(rows.sum()),
        "formulas_digest": formulas_digest(table.formulas[rows].tolist()),
        "metrics": evaluate_table(Classifier.load(path), table),
    }
    write_model(path, arrays, card | {"held_out": held_out})
    return trials


def _judged(table: ClassTable, scores: NDArray[np.float64]) -> Judged:
    rows = ~np.isnan(scores)
    return Judged(scores[rows], table.kinds[rows], table.checked[rows])


def _card(table: ClassTable, recipe: Recipe) -> dict[str, Any]:
    learned = ~table.held_out
    sets = []
    for name in DATA_SETS:
        rows = learned & (table.data_sets == name)
        if rows.any():
            digest = formulas_digest(table.formulas[rows].tolist())
            counts = {kind: int((table.kinds[rows] == kind).sum()) for kind in KINDS}
            row = {"name": name, "licence": LICENCES[name], "rows": int(rows.sum()), "formulas_digest": digest}
            sets.append(row | {"kinds": counts})
    settings = asdict(recipe)
    return {
        "kind": KIND,
        "version": VERSION,
        "model_id": f"{KIND}-{VERSION}",
        "parent": None,
        "shape": settings.pop("shape"),
        "recipe": settings,
        "mu_star": MU_STAR,
        "training_sets": sets,
        "versions": {"torch": torch.__version__},
        "seeds": [recipe.seed + member for member in range(FOLDS)],
    }


def evaluate(model: Classifier, data: Mapping[str, Path], cache: Path | None) -> dict[str, float]:
    """Measure a model on the frozen tenth of the formulas.

    Parameters
    ----------
    model
        Classifier.
    data
        Path by name of the data set: "alexandria", "jarvis", "materials-project".
    cache
        Folder for CHGNet's descriptions.
    """
    return evaluate_table(model, read_table(data, cache))


def evaluate_table(model: Classifier, table: ClassTable) -> dict[str, float]:
    """Measure a model on the frozen tenth of a table; crystals with an element that it does not know are left out."""
    rows = [
        row
        for row in np.flatnonzero(table.labelled & table.held_out)
        if not model.scale.unknown(table.graphs[row].numbers)
    ]
    scores = np.full(len(table.kinds), np.nan)
    for first in range(0, len(rows), 256):
        piece = rows[first : first + 256]
        read = [
            (table.graphs[row], model.scale.features(table.graphs[row].numbers, table.potential[row])) for row in piece
        ]
        scores[piece] = probabilities(model.logits(read).mean(axis=1), model.slope, model.intercept)
    return figures(_judged(table, scores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and print the tables."""
    default, shape = Recipe(), Shape()
    parser = argparse.ArgumentParser(prog="python -m invdesflow.screening.training.classifier", description=__doc__)
    parser.add_argument("--alexandria", type=Path, required=True, help="alexandria_elph.jsonl.gz")
    parser.add_argument("--jarvis", type=Path, required=True, help="jarvis_supercon3d.csv.gz")
    parser.add_argument("--materials-project", type=Path, required=True, help="materials_project_subset.jsonl.gz")
    parser.add_argument("--cache", type=Path, help="folder for CHGNet's descriptions")
    parser.add_argument("--checkpoints", type=Path, help="folder that lets an interrupted training go on")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and their card")
    parser.add_argument("--pretraining-epochs", type=int, default=default.pretraining_epochs)
    parser.add_argument("--pretraining-crystals", type=int, default=default.pretraining_crystals)
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--width", type=int, default=shape.width)
    parser.add_argument("--layers", type=int, default=shape.layers)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = read_table({name: getattr(options, name.replace("-", "_")) for name in DATA_SETS}, options.cache)
    recipe = Recipe(
        shape=Shape(options.width, options.layers),
        pretraining_epochs=options.pretraining_epochs,
        epochs=options.epochs,
        pretraining_crystals=options.pretraining_crystals,
    )
    trials = train(table, recipe, options.output, checkpoints=options.checkpoints)
    compared = {trial.name: ranking(trial.judged(table)) for trial in trials}
    for potential, name in ((True, "forest on elements and CHGNet"), (False, "forest on elements")):
        compared[name] = ranking(_judged(table, forest_scores(table, potential, recipe.seed)))
    print_figures("5-fold by reduced formula", compared)
    card = read_card(options.output / "classifier.safetensors")
    results = {"cross-validation": card["cross_validation"], "frozen tenth": card["held_out"]["metrics"]}
    print_figures(f"shipped: {card['variant']}", results)


if __name__ == "__main__":
    main()
