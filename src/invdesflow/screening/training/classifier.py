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
import sklearn
import torch
from maggma.utils import grouper
from numpy.typing import NDArray

from invdesflow.model_files import read_card, write_model
from invdesflow.progress import track
from invdesflow.screening.classifier import KIND, PIECE, VERSION, Classifier
from invdesflow.screening.classifier_members import Law, Member, Shape, forest_logits
from invdesflow.screening.site_features import SiteScale, site_statistics
from invdesflow.screening.training.classes import DATA_SETS, KINDS, MU_STAR
from invdesflow.screening.training.classifier_fitting import Recipe, fine_tune, network_logits, pre_train
from invdesflow.screening.training.classifier_forest import Growth, grow_forest
from invdesflow.screening.training.classifier_report import Judged, calibrate, figures, print_figures, ranking
from invdesflow.screening.training.classifier_table import ClassTable, fit_scale, read_table
from invdesflow.screening.training.splits import FOLDS, formulas_digest

__all__ = ["Learned", "evaluate", "learn", "main", "train"]

PRETRAINED, SCRATCH, NETWORKS = "pre-trained network", "network from scratch", "networks"
FOREST, TOGETHER = "extra trees", "networks and trees"
FloatArray = NDArray[np.float64]

LICENCES = {
    "alexandria": "MIT",
    "jarvis": "NIST, public domain in the US",
    "materials-project": "CC BY 4.0",
}


@dataclass(frozen=True)
class Learned:
    """A member without each fold, and what they say of the formulas that they have not seen.

    Parameters
    ----------
    scale
        What the members read.
    members
        One for each fold, with a pre-trained network and one from scratch.
    law
        Weighs networks and forests, and calibrates.
    scores
        Logits of the parts alone and together by their names, of the member that has not seen the formula, also in its
        pre-training; NaN for the frozen tenth and for what has no class, each of shape (crystals,).
    """

    scale: SiteScale
    members: list[Member]
    law: Law
    scores: dict[str, FloatArray]

    def judged(self, table: ClassTable, name: str = TOGETHER) -> Judged:
        """Return what is held out with the logits of a part."""
        return _judged(table, self.scores[name])

    @property
    def probabilities(self) -> FloatArray:
        """Calibrated, shape (crystals,)."""
        return self.law.probability(np.column_stack([self.scores[NETWORKS], self.scores[FOREST]]))


def learn(
    table: ClassTable, recipe: Recipe, growth: Growth, *, potential: bool = True, checkpoints: Path | None = None
) -> Learned:
    """Train a member without each fold, and let it judge that fold.

    Parameters
    ----------
    table
        All crystals.
    recipe, growth
        How networks and forests are trained.
    potential
        Whether the members read the features of the potential.
    checkpoints
        Folder that lets an interrupted training go on.
    """
    scale = fit_scale(table, potential)
    rows = np.flatnonzero(table.labelled & ~table.held_out)
    graphs = table.crystals(rows, scale)
    statistics = np.array([site_statistics(sites, graph.volume_per_atom) for graph, sites in graphs])
    scores = {name: np.full(len(table.kinds), np.nan) for name in (PRETRAINED, SCRATCH, FOREST)}
    members = []
    for fold in track(range(FOLDS), "with CHGNet" if potential else "elements alone", FOLDS):
        encoder = pre_train(table, scale, recipe, fold, checkpoints=checkpoints)
        networks = {
            PRETRAINED: fine_tune(table, scale, recipe, fold, encoder=encoder, checkpoints=checkpoints),
            SCRATCH: fine_tune(table, scale, recipe, fold, checkpoints=checkpoints),
        }
        seen = table.taught(fold)[rows]
        forest = grow_forest(statistics[seen], table.positive[rows[seen]], growth)
        for name, network in networks.items():
            scores[name][rows[~seen]] = network_logits(network, table, scale, rows[~seen])
        scores[FOREST][rows[~seen]] = forest_logits(forest, statistics[~seen])
        members.append(Member(list(networks.values()), forest))
    scores[NETWORKS] = (scores[PRETRAINED] + scores[SCRATCH]) / 2.0
    parts = np.column_stack([scores[NETWORKS], scores[FOREST]])
    law = calibrate(parts[rows], table.positive[rows])
    return Learned(scale, members, law, scores | {TOGETHER: law.logits(parts)})


def train(
    table: ClassTable, recipe: Recipe, growth: Growth, output: Path, *, checkpoints: Path | None = None
) -> Learned:
    """Train the classifier and write ``classifier.*`` into a folder.

    Weights are stored in half precision, and the metrics on the frozen tenth are those of the stored weights.
    """
    learned = learn(table, recipe, growth, checkpoints=checkpoints)
    scale = learned.scale
    arrays = {"elements": scale.elements, "potential_mean": scale.mean, "potential_deviation": scale.deviation}
    for number, member in enumerate(learned.members):
        arrays |= {f"member{number}.{name}": array for name, array in member.to_arrays().items()}
    card = _card(table, recipe, growth) | {
        "calibration": asdict(learned.law),
        "cross_validation": figures(_judged(table, learned.probabilities)),
        "members": len(learned.members),
        "networks": len(learned.members[0].networks),
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
    return learned


def _judged(table: ClassTable, scores: FloatArray) -> Judged:
    rows = ~np.isnan(scores)
    return Judged(scores[rows], table.kinds[rows], table.checked[rows])


def _card(table: ClassTable, recipe: Recipe, growth: Growth) -> dict[str, Any]:
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
        "forest": asdict(growth),
        "mu_star": MU_STAR,
        "training_sets": sets,
        "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
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
    for piece in grouper(rows, PIECE):
        scores[list(piece)] = [one.probability for one in model.judge(table.crystals(piece, model.scale))]
    return figures(_judged(table, scores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and print the tables."""
    default, shape, growth = Recipe(), Shape(), Growth()
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
    parser.add_argument("--trees", type=int, default=growth.trees)
    parser.add_argument("--leaf", type=int, default=growth.leaf)
    parser.add_argument("--share", type=float, default=growth.share, help="of the inputs that a split tries")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = read_table({name: getattr(options, name.replace("-", "_")) for name in DATA_SETS}, options.cache)
    recipe = Recipe(
        shape=Shape(options.width, options.layers),
        pretraining_epochs=options.pretraining_epochs,
        epochs=options.epochs,
        pretraining_crystals=options.pretraining_crystals,
    )
    growth = Growth(options.trees, options.leaf, options.share)
    shipped = train(table, recipe, growth, options.output, checkpoints=options.checkpoints)
    plain = learn(table, recipe, growth, potential=False, checkpoints=options.checkpoints)
    for title, learned in (("elements and CHGNet", shipped), ("elements", plain)):
        compared = {name: ranking(learned.judged(table, name)) for name in learned.scores}
        print_figures(f"{title}; 5-fold by reduced formula", compared)
    card = read_card(options.output / "classifier.safetensors")
    results = {"cross-validation": card["cross_validation"], "frozen tenth": card["held_out"]["metrics"]}
    print_figures("shipped", results)


if __name__ == "__main__":
    main()
