"""Train the baseline Tc model and cross-validate it by formula.

``python -m invdesflow.screening.training.tc_baseline --alexandria PATH [--jarvis PATH] --output DIR`` writes the
weights and their card, and prints the cross-validation. On one machine the same data give the same bytes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import StructureError
from invdesflow.model_files import write_model
from invdesflow.progress import track
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.elements import ElementTable, periodic_table
from invdesflow.screening.features import FEATURES_VERSION, crystal_features
from invdesflow.screening.perceptron import PerceptronCommittee
from invdesflow.screening.tc_baseline import (
    KIND,
    VERSION,
    FeatureScale,
    combine,
    critical_temperature,
    element_fractions,
    network_inputs,
)
from invdesflow.screening.training.electron_phonon_data import Compound, read_alexandria, read_jarvis
from invdesflow.screening.training.evaluation import (
    MU_STAR,
    OutOfFold,
    calibrate,
    print_results,
    report,
    tc_from_logs,
    tc_from_roots,
)
from invdesflow.screening.training.fitting import fit_domain, fit_networks, fit_trees
from invdesflow.screening.training.splits import FOLDS, fold_of
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["Recipe", "TrainingTable", "build_table", "cross_validate", "train"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """How large the model is.

    Parameters
    ----------
    trees, networks
        Number of members of each kind.
    tree_share
        Weight of the trees in the average.
    seed
        Seed of everything random.
    """

    trees: int = 26
    networks: int = 3
    tree_share: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class TrainingTable:
    """The training set in numbers; one row for each compound.

    Parameters
    ----------
    names, elements
        Names of the features; atomic numbers that occur.
    features, fractions
        Shape (samples, features) and (samples, elements).
    targets
        ln lambda, ln omega_log (meV), sqrt(Tc), ln N(E_F), ln Debye temperature; NaN where unknown, shape (samples, 5).
    tc_k
        Tc at mu* = 0.10: as published, or from lambda and omega_log, shape (samples,).
    folds
        Cross-validation fold, shape (samples,).
    benchmark
        Whether the row counts in the cross-validation figures (Alexandria), shape (samples,).
    """

    names: tuple[str, ...]
    elements: tuple[int, ...]
    features: FloatArray
    fractions: FloatArray
    targets: FloatArray
    tc_k: FloatArray
    folds: NDArray[np.intp]
    benchmark: NDArray[np.bool_]

    def rows(self, mask: NDArray[np.bool_]) -> "TrainingTable":
        """Return the rows where the mask is true."""
        parts = ("features", "fractions", "targets", "tc_k", "folds", "benchmark")
        return replace(self, **{name: getattr(self, name)[mask] for name in parts})


@dataclass(frozen=True)
class Members:
    """A fitted model."""

    scale: FeatureScale
    trees: TreeEnsemble
    networks: PerceptronCommittee

    def predict(self, table: TrainingTable) -> tuple[FloatArray, FloatArray]:
        """Return the outputs of the trees (samples, trees, 2) and of the networks (samples, networks, 5)."""
        inputs = network_inputs(self.scale.standardise(table.features), table.fractions)
        return self.trees.predict(table.features), self.networks.predict(inputs)


def build_table(compounds: Sequence[Compound], elements: ElementTable, benchmark: NDArray[np.bool_]) -> TrainingTable:
    """Compute features and targets; a compound without features (isolated atoms and the like) is left out."""
    seen = tuple(sorted({int(e.Z) for c in compounds for e in c.structure.composition.elements}))
    features: list[dict[str, float]] = []
    kept: list[int] = []
    for number, compound in enumerate(track(compounds, "features", len(compounds))):
        try:
            features.append(crystal_features(compound.structure, elements))
        except StructureError:
            continue
        kept.append(number)
    rows = [compounds[number] for number in kept]
    coupling = np.array([c.lambda_ for c in rows])
    frequency = np.array([c.omega_log_mev for c in rows])
    published = np.array([c.tc_k for c in rows])
    tc = np.where(np.isnan(published), critical_temperature(coupling, frequency, MU_STAR), published)
    logs = [coupling, frequency, np.array([c.dos_per_atom for c in rows]), np.array([c.debye_k for c in rows])]
    ln_lambda, ln_omega, ln_dos, ln_debye = (np.log(values) for values in logs)
    return TrainingTable(
        names=tuple(features[0]),
        elements=seen,
        features=np.array([list(row.values()) for row in features]),
        fractions=np.array([element_fractions(c.structure, seen) for c in rows]),
        targets=np.column_stack([ln_lambda, ln_omega, np.sqrt(tc), ln_dos, ln_debye]),
        tc_k=tc,
        folds=np.array([fold_of(c.structure.composition.reduced_formula) for c in rows]),
        benchmark=benchmark[kept],
    )


def feature_scale(features: FloatArray) -> FeatureScale:
    """Return mean and standard deviation; a feature that does not vary gets the scale 1."""
    deviation = features.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    return FeatureScale(features.mean(axis=0).astype(np.float32), scale.astype(np.float32))


def fit(table: TrainingTable, recipe: Recipe) -> Members:
    """Fit both kinds of member to a table."""
    scale = feature_scale(table.features)
    inputs = network_inputs(scale.standardise(table.features), table.fractions)
    return Members(
        scale=scale,
        trees=fit_trees(table.features, table.targets[:, :2], recipe.trees, recipe.seed),
        networks=fit_networks(inputs, table.targets, recipe.networks, recipe.seed),
    )


def cross_validate(table: TrainingTable, recipe: Recipe, taught: NDArray[np.bool_]) -> OutOfFold:
    """Predict every row with a model that has not seen its formula.

    Parameters
    ----------
    table
        All rows.
    recipe
        How large the models are.
    taught
        Rows that the models may learn from, shape (samples,).
    """
    count = len(table.folds)
    trees, networks = np.empty((count, recipe.trees, 2)), np.empty((count, recipe.networks, 5))
    distance = np.empty(count)
    for fold in track(range(FOLDS), "cross-validation", FOLDS):
        held_out = table.folds == fold
        if not held_out.any():
            continue
        seen = table.rows(taught & ~held_out)
        members = fit(seen, recipe)
        trees[held_out], networks[held_out] = members.predict(table.rows(held_out))
        domain = fit_domain(members.scale.standardise(seen.features), 1.0, recipe.seed)
        distance[held_out] = domain.distance(members.scale.standardise(table.features[held_out]))
    mean, spread = combine(trees, networks[:, :, :2], recipe.tree_share)
    labels = (table.tc_k, table.targets, table.folds, table.benchmark, taught)
    committee = networks.mean(axis=1)
    parts = {
        "trees": tc_from_logs(trees.mean(axis=1)),
        "networks": tc_from_logs(committee),
        "networks, Tc directly": tc_from_roots(committee[:, 2]),
    }
    return OutOfFold(*labels, parts, mean, spread, distance)


def train(
    table: TrainingTable, elements: ElementTable, recipe: Recipe, output: Path, card: dict[str, Any]
) -> OutOfFold:
    """Cross-validate, fit to all rows, and write weights and card to ``output/tc_baseline.*``."""
    held_out = cross_validate(table, recipe, np.ones(len(table.folds), dtype=bool))
    members = fit(table, recipe)
    unit = float(np.quantile(held_out.distance, 0.99))
    domain: TrainingDomain = fit_domain(members.scale.standardise(table.features), unit, recipe.seed)
    networks = PerceptronCommittee(  # the other outputs only helped the training
        (*members.networks.weights[:-1], members.networks.weights[-1][:, :, :2]),
        (*members.networks.biases[:-1], members.networks.biases[-1][:, :2]),
    )
    arrays: dict[str, NDArray[Any]] = {
        "element_table": elements.values,
        "feature_mean": members.scale.mean,
        "feature_scale": members.scale.scale,
    }
    for kind, part in (("domain", domain), ("trees", members.trees), ("networks", networks)):
        arrays |= {f"{kind}.{name}": array for name, array in part.to_arrays().items()}
    entries = {
        "kind": KIND,
        "model_id": f"{KIND}-{VERSION}",
        "version": VERSION,
        "features_version": FEATURES_VERSION,
        "features": list(table.names),
        "elements": list(table.elements),
        "element_properties": list(elements.names),
        "tree_share": recipe.tree_share,
        "calibration": calibrate(held_out),
        "cross_validation": report(held_out),
        "rows": len(table.folds),
    }
    write_model(output / "tc_baseline.safetensors", arrays, card | entries)
    return held_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and print the cross-validation."""
    parser = argparse.ArgumentParser(prog="python -m invdesflow.screening.training.tc_baseline", description=__doc__)
    parser.add_argument("--alexandria", type=Path, required=True, help="alexandria_elph.jsonl.gz")
    parser.add_argument("--jarvis", type=Path, help="jarvis_supercon3d.csv.gz")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and their card")
    options = parser.parse_args(arguments)
    recipe, elements = Recipe(), periodic_table()
    alexandria = list(read_alexandria(options.alexandria))
    jarvis = list(read_jarvis(options.jarvis)) if options.jarvis else []
    table = build_table(alexandria + jarvis, elements, np.arange(len(alexandria) + len(jarvis)) < len(alexandria))
    card = {"training_data": ["Alexandria electron-phonon set (MIT)"] + ["JARVIS supercon_3d (NIST)"] * bool(jarvis)}
    results = {"shipped": report(train(table, elements, recipe, options.output, card))}
    if jarvis:
        results["without JARVIS"] = report(cross_validate(table, recipe, table.benchmark))
    print_results(results)


if __name__ == "__main__":
    main()
