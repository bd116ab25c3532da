"""Train the ALIGNN Tc model, cross-validate it by formula and measure it on formulas that none of its members saw.

``python -m invdesflow.screening.training.tc_alignn --alexandria PATH --jarvis PATH --cache DIR --output DIR`` writes
weights and card, and prints the tables of the model card. An interrupted training goes on from ``--cache``. With
``--weights FILE`` nothing is trained: that model is measured and its uncertainty calibrated anew.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from invdesflow.model_files import arrays_under, read_model, write_model
from invdesflow.screening.alignn_inputs import Featuriser, InputScale
from invdesflow.screening.alignn_network import OUTPUTS
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.tc_alignn import KIND, PARTS, VERSION, Member, TcEnsemble, combine
from invdesflow.screening.training.alignn_data import MU_STAR, AlignnData
from invdesflow.screening.training.alignn_fitting import Recipe, fit_member
from invdesflow.screening.training.electron_phonon_data import read_alexandria, read_jarvis
from invdesflow.screening.training.evaluation import (
    OutOfFold,
    calibrate,
    log_figures,
    print_results,
    report,
    tc_figures,
    tc_from_logs,
    tc_from_roots,
)
from invdesflow.screening.training.fitting import fit_domain
from invdesflow.screening.training.splits import FOLDS, formulas_digest

__all__ = ["Members", "cross_validate", "element_features", "evaluate", "measure", "read_data", "recalibrate", "train"]

FloatArray = NDArray[np.float64]
SETS = (("Alexandria electron-phonon set", "MIT"), ("JARVIS supercon_3d", "NIST, public domain in the US"))
READERS = {"alexandria": read_alexandria, "jarvis": read_jarvis}
STEPS = 20
"""The weights of the parts are multiples of one over this."""
MODEL = "model: "
FARTHEST = 0.99
"""Quantile of distance and disagreement at which the domain ends."""


def element_features() -> NDArray[np.float32]:
    """Return the CGCNN features of the package ``alignn`` by atomic number, shape (95, 92); zeros for no element."""
    from jarvis.core.specie import get_node_attributes  # type: ignore[import-untyped]
    from pymatgen.core import Element

    rows = [get_node_attributes(Element.from_Z(z).symbol, atom_features="cgcnn") for z in range(1, 95)]
    return np.concatenate([np.zeros((1, len(rows[0]))), np.array(rows)]).astype(np.float32)


def read_data(data: Mapping[str, Path], cache: Path | None, neighbours: int) -> tuple[AlignnData, Featuriser]:
    """Read and describe the training sets.

    Parameters
    ----------
    data
        Paths of "alexandria" and, if it is to be learned from, "jarvis".
    cache
        Folder for what is slow to compute.
    neighbours
        Bonds of an atom.
    """
    sets = [list(READERS[name](data[name])) for name in READERS if name in data]
    seen = {element.Z for compounds in sets for one in compounds for element in one.structure.elements}
    featuriser = Featuriser(periodic_table(), tuple(sorted(seen)), neighbours)
    return AlignnData.of(sets, featuriser, cache), featuriser


@dataclass(frozen=True)
class Members:
    """The members, and what each of them says of the fold that it has not seen.

    Attributes
    ----------
    members
        One for each fold.
    outputs
        Of the parts of the member that has not seen a row, shape (samples, parts, 5).
    distance
        Distance of each row from the training set of that member before it is scaled, shape (samples,).
    scale, domain
        Of all rows that any member learned from.
    """

    members: list[Member]
    outputs: FloatArray
    distance: FloatArray
    scale: InputScale
    domain: TrainingDomain

    def out_of_fold(self, data: AlignnData, shares: Sequence[float]) -> OutOfFold:
        """Return what the cross-validation says of the average."""
        mean, spread = combine(self.outputs, shares)
        labels = (data.tc_k, data.targets, data.folds, data.benchmark, ~data.held_out)
        return OutOfFold(*labels, tc_by_parts(self.outputs, mean), mean, spread, self.distance)

    def best_shares(self, data: AlignnData) -> tuple[float, ...]:
        """Return the weights of the parts with the smallest error of Tc on the benchmark rows that are not held out."""
        rows = data.benchmark & ~data.held_out
        grid = [
            tuple(np.array(one) / STEPS) for one in product(range(STEPS + 1), repeat=len(PARTS)) if sum(one) == STEPS
        ]
        tc = [tc_from_logs(combine(self.outputs[rows], shares)[0]) for shares in grid]
        return grid[int(np.argmin([np.abs(one - data.tc_k[rows]).mean() for one in tc]))]


def tc_by_parts(outputs: FloatArray, mean: FloatArray) -> dict[str, FloatArray]:
    """Return Tc in K by each part alone, and of the output that is Tc itself.

    Parameters
    ----------
    outputs
        Of the parts, shape (samples, parts, 5).
    mean
        Their average, shape (samples, 5).
    """
    logs = {part: tc_from_logs(outputs[:, number]) for number, part in enumerate(PARTS)}
    roots = {f"{part}, Tc directly": tc_from_roots(outputs[:, number, 2]) for number, part in enumerate(PARTS)}
    return logs | roots | {"model, Tc directly": tc_from_roots(mean[:, 2])}


def cross_validate(
    data: AlignnData, elements: NDArray[np.float32], recipe: Recipe, checkpoints: Path | None = None
) -> Members:
    """Train one member for each fold on the other folds, without the held-out tenth, and predict what it has not seen.

    Parameters
    ----------
    data
        All rows.
    elements
        Features of the elements by atomic number.
    recipe
        How large the members are.
    checkpoints
        Folder for the state of the trainings.
    """
    members = []
    scale = InputScale.of(data.rows(~data.held_out).inputs)
    for fold in range(FOLDS):
        taught = (data.folds != fold) & ~data.held_out
        checkpoint = None if checkpoints is None else checkpoints / f"alignn-{fold}.pt"
        member = fit_member(
            data.rows(taught),
            elements,
            recipe,
            seed=recipe.seed + fold,
            checkpoint=checkpoint,
            report=partial(_show, fold, recipe.epochs),
        ).stored()  # everything is measured with the weights as they are shipped
        members.append(member)
    outputs, distance = _unseen(members, data, elements, scale, recipe.seed)
    unit = float(np.quantile(distance[~data.held_out], FARTHEST))
    domain = fit_domain(scale.features(data.inputs).astype(np.float64)[~data.held_out], unit, recipe.seed)
    return Members(members, outputs, distance, scale, domain)


def _unseen(
    members: Sequence[Member], data: AlignnData, elements: NDArray[np.float32], scale: InputScale, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return for every row what the member of its fold says, and its distance from what that member has learned."""
    outputs, distance = np.empty((len(data), len(PARTS), len(OUTPUTS))), np.empty(len(data))
    standardised = scale.features(data.inputs).astype(np.float64)
    for fold, member in enumerate(members):
        unseen = data.folds == fold
        taught = ~unseen & ~data.held_out
        outputs[unseen] = member.predict(data.rows(unseen).inputs, elements)
        distance[unseen] = fit_domain(standardised[taught], 1.0, seed).distance(standardised[unseen])
    return outputs, distance


def _show(fold: int, epochs: int, epoch: int, loss: float) -> None:
    Console(stderr=True).print(f"member {fold + 1} of {FOLDS}, epoch {epoch + 1} of {epochs}: loss {loss:.4f}")


def train(
    data: AlignnData,
    featuriser: Featuriser,
    recipe: Recipe,
    output: Path,
    checkpoints: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Cross-validate, write weights and card to ``output/tc_alignn.*``, and measure what was written.

    Parameters
    ----------
    data
        All rows.
    featuriser
        What turned crystals into numbers.
    recipe
        How large the model is.
    output
        Folder for the model.
    checkpoints
        Folder for the state of the trainings.

    Returns
    -------
    dict
        Figures of the cross-validation and on the held-out rows, by name.
    """
    elements = element_features()
    fitted = cross_validate(data, elements, recipe, checkpoints)
    shares = fitted.best_shares(data)
    held_out = fitted.out_of_fold(data, shares)
    unseen = data.rows(data.held_out)
    means = [combine(member.predict(unseen.inputs, elements), shares)[0] for member in fitted.members]
    disagreement = np.array(means)[:, :, 0].std(axis=0)
    arrays: dict[str, NDArray[Any]] = {"element_table": featuriser.table.values, "element_features": elements}
    arrays |= {f"scale.{name}": array for name, array in vars(fitted.scale).items()}
    arrays |= {f"domain.{name}": array for name, array in fitted.domain.to_arrays().items()}
    for number, member in enumerate(fitted.members):
        arrays |= {f"member{number}.{name}": array for name, array in member.to_arrays().items()}
    figures = _figures(held_out)
    card: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "model_id": f"{KIND}-alignn-{VERSION}",
        "parent": None,
        "inputs": featuriser.card(),
        "network": fitted.members[0].network.describe(),
        "members": len(fitted.members),
        "recipe": asdict(recipe),
        "seeds": [recipe.seed + fold for fold in range(FOLDS)],
        "shares": dict(zip(PARTS, shares, strict=True)),
        "calibration": calibrate(held_out),
        "domain": {"largest_disagreement": float(np.quantile(disagreement, FARTHEST))},
        "cross_validation": figures,
        "training_sets": [
            {
                "name": name,
                "licence": licence,
                "rows": int((rows & ~data.held_out).sum()),
                "formulas_digest": formulas_digest(data.formulas[rows & ~data.held_out].tolist()),
            }
            for (name, licence), rows in zip(SETS, (data.benchmark, ~data.benchmark), strict=True)
            if rows.any()
        ],
        "versions": {"torch": torch.__version__, "alignn": version("alignn"), "chgnet": version("chgnet")},
    }
    held = {"rows": len(unseen), "formulas_digest": formulas_digest(unseen.formulas.tolist())}
    path = output / "tc_alignn.safetensors"
    write_model(path, arrays, card | {"held_out": held | {"metrics": {}}})
    metrics = measure(TcEnsemble.load(path), data)
    write_model(path, arrays, card | {"held_out": held | {"metrics": metrics}})
    return {"cross-validation": figures, "held-out tenth": metrics}


def recalibrate(weights: Path, data: AlignnData, output: Path) -> dict[str, dict[str, float]]:
    """Measure a trained model and calibrate its uncertainty anew; write it with its new card to ``output/tc_alignn.*``.

    Parameters
    ----------
    weights
        Of a model that was trained on these rows.
    data
        All rows.
    output
        Folder for the model.

    Returns
    -------
    dict
        As of `train`.
    """
    arrays, card = read_model(weights, KIND, VERSION)
    members = [Member.from_arrays(arrays_under(arrays, f"member{k}."), card["network"]) for k in range(card["members"])]
    scale, domain = InputScale(**arrays_under(arrays, "scale.")), arrays_under(arrays, "domain.")
    outputs, distance = _unseen(members, data, arrays["element_features"], scale, card["seeds"][0])
    fitted = Members(members, outputs, distance, scale, TrainingDomain.from_arrays(domain))
    held_out = fitted.out_of_fold(data, [card["shares"][part] for part in PARTS])
    figures = _figures(held_out)
    card |= {"calibration": calibrate(held_out), "cross_validation": figures}
    metrics = measure(TcEnsemble(arrays, card), data)
    write_model(output / "tc_alignn.safetensors", arrays, card | {"held_out": card["held_out"] | {"metrics": metrics}})
    return {"cross-validation": figures, "held-out tenth": metrics}


def _figures(held_out: OutOfFold) -> dict[str, float]:
    return {name.removeprefix(MODEL): value for name, value in report(held_out).items()}


def measure(model: TcEnsemble, data: AlignnData) -> dict[str, float]:
    """Return the figures of a model on the rows whose formulas are held out, by name; the sets one by one."""
    figures: dict[str, float] = {}
    for name, part in (("", data.benchmark), (", other set", ~data.benchmark)):
        rows = data.rows(part & data.held_out)
        if not len(rows):
            continue
        outputs = model.outputs(rows.inputs)
        mean, spread, _ = model.average(outputs)
        tc = tc_from_logs(mean)
        others = data.tc_k[part & ~data.held_out].mean()
        predictions = {
            "mean of the training set": np.full(len(rows), others),
            **tc_by_parts(outputs.mean(axis=0), mean),
            "model": tc,
        }
        figures[f"rows{name}"] = float(len(rows))
        named = {
            f"{kind}: {key}": v for kind, one in predictions.items() for key, v in tc_figures(rows.tc_k, one).items()
        }
        named |= log_figures(rows.targets, mean)
        error, width = np.abs(tc - rows.tc_k), model.width(mean, spread, MU_STAR)
        named["coverage of 68 %"] = float((error <= width).mean())
        ratio = error / model.deviation(width)
        named["error over its standard deviation, rms"] = float(np.sqrt((ratio**2).mean()))
        figures |= {f"{key.removeprefix(MODEL)}{name}": value for key, value in named.items()}
    return figures


def evaluate(model: TcEnsemble, data: Mapping[str, Path], cache: Path | None = None) -> dict[str, float]:
    """Measure a model on the held-out formulas of the data sets.

    Parameters
    ----------
    model
        The model.
    data
        Path of "alexandria", and of "jarvis" if it is to be measured on that too.
    cache
        Folder for what is slow to compute.
    """
    compounds = [list(reader(data[name])) for name, reader in READERS.items() if name in data]
    return measure(model, AlignnData.of(compounds, model.featuriser, cache))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m invdesflow.screening.training.tc_alignn", description=__doc__)
    parser.add_argument("--alexandria", type=Path, required=True, help="alexandria_elph.jsonl.gz")
    parser.add_argument("--jarvis", type=Path, help="jarvis_supercon3d.csv.gz")
    parser.add_argument("--cache", type=Path, required=True, help="folder for descriptions, graphs and checkpoints")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and their card")
    parser.add_argument("--weights", type=Path, help="trained model to measure and calibrate anew, without training")
    for field in fields(Recipe):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, dest=field.name, type=type(field.default), default=field.default)
    options = parser.parse_args(arguments)
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    paths = {name: getattr(options, name) for name in READERS if getattr(options, name)}
    data, featuriser = read_data(paths, options.cache, recipe.neighbours)
    if options.weights:
        print_results(recalibrate(options.weights, data, options.output))
    else:
        print_results(train(data, featuriser, recipe, options.output, options.cache))


if __name__ == "__main__":
    main()
