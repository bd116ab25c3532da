"""How good the baseline Tc model is on formulas that it has not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score

from invdesflow.screening.tc_baseline import critical_temperature, tc_width
from invdesflow.screening.training.splits import FOLDS

__all__ = ["MU_STAR", "OutOfFold", "calibrate", "print_results", "report"]

MU_STAR = 0.10
ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545
LARGEST_STRETCH = 50.0

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for every row by models that have not seen its formula.

    Parameters
    ----------
    tc_k, targets, folds, benchmark
        As in the training table.
    taught
        Rows that the models of the other folds were trained on, and that the intervals are calibrated on.
    trees, networks
        Outputs of each member, shape (samples, members, outputs).
    mean, spread
        Averages of ln lambda and ln omega_log, and standard deviation of ln lambda among the members.
    distance
        Distance to the training set before it is scaled, shape (samples,).
    """

    tc_k: FloatArray
    targets: FloatArray
    folds: NDArray[np.intp]
    benchmark: NDArray[np.bool_]
    taught: NDArray[np.bool_]
    trees: FloatArray
    networks: FloatArray
    mean: FloatArray
    spread: FloatArray
    distance: FloatArray

    @property
    def predicted_tc(self) -> FloatArray:
        """Tc in K from the averaged lambda and omega_log."""
        return tc_from_logs(self.mean)

    @property
    def residual(self) -> float:
        """Standard deviation of ln lambda that the spread of the members does not explain."""
        error = (self.mean[:, 0] - self.targets[:, 0]) ** 2 - self.spread**2
        return float(np.sqrt(max(error[self.taught].mean(), 0.0)))

    @property
    def sigma(self) -> FloatArray:
        """Standard deviation of ln lambda before it is stretched, shape (samples,)."""
        return np.hypot(self.spread, self.residual)

    @property
    def surprise(self) -> FloatArray:
        """Smallest stretch of sigma whose width of Tc covers the error, at most `LARGEST_STRETCH`, shape (samples,)."""
        error = np.abs(self.predicted_tc - self.tc_k)
        low, high = np.zeros_like(error), np.full_like(error, LARGEST_STRETCH)
        for _ in range(40):
            middle = (low + high) / 2.0
            covered = tc_width(self.mean, middle * self.sigma, MU_STAR) >= error
            low, high = np.where(covered, low, middle), np.where(covered, middle, high)
        return high


def tc_from_logs(logs: FloatArray) -> FloatArray:
    """Tc in K at mu* = 0.10 from ln lambda and ln omega_log (meV), shape (samples,)."""
    return critical_temperature(np.exp(logs[:, 0]), np.exp(logs[:, 1]), MU_STAR)


def calibrate(held_out: OutOfFold) -> dict[str, float]:
    """Return the constants that make the intervals cover what they promise (split conformal prediction)."""
    surprise = held_out.surprise[held_out.taught]
    return {
        "residual_log_lambda": held_out.residual,
        "stretch_68": float(np.quantile(surprise, ONE_SIGMA)),
        "stretch_95": float(np.quantile(surprise, TWO_SIGMA)),
    }


def coverage(held_out: OutOfFold) -> dict[str, float]:
    """Measure the intervals on each fold with the stretch from the other folds."""
    surprise, inside = held_out.surprise, {}
    for name, share in (("68", ONE_SIGMA), ("95", TWO_SIGMA)):
        others = [surprise[held_out.taught & (held_out.folds != fold)] for fold in range(FOLDS)]
        limits = np.array([np.quantile(values, share) for values in others])
        inside[name] = surprise <= limits[held_out.folds]
    tc, far = held_out.predicted_tc, held_out.distance > np.quantile(held_out.distance, 0.9)
    parts = {
        "": held_out.benchmark,
        ", predicted Tc < 1 K": held_out.benchmark & (tc < 1),
        ", predicted Tc 1 to 5 K": held_out.benchmark & (tc >= 1) & (tc < 5),
        ", predicted Tc 5 to 15 K": held_out.benchmark & (tc >= 5) & (tc < 15),
        ", predicted Tc > 15 K": held_out.benchmark & (tc >= 15),
        ", farthest tenth": held_out.benchmark & far,
        ", other set": ~held_out.benchmark,
    }
    return {
        f"coverage of {name} %{part}": float(hits[mask].mean())
        for name, hits in inside.items()
        for part, mask in parts.items()
        if mask.any()
    }


def report(held_out: OutOfFold) -> dict[str, float]:
    """Return the figures of the cross-validation by name: on the benchmark rows, and of the model on the other set."""
    rows = held_out.benchmark
    truth = held_out.tc_k[rows]
    means = [held_out.tc_k[held_out.taught & (held_out.folds != fold)].mean() for fold in range(FOLDS)]
    constant = np.array(means)[held_out.folds]
    committee = held_out.networks.mean(axis=1)
    predictions = {
        "mean of the training set": constant,
        "formula with the true lambda and omega_log": tc_from_logs(held_out.targets),
        "trees": tc_from_logs(held_out.trees.mean(axis=1)),
        "networks": tc_from_logs(committee),
        "networks, Tc directly": np.maximum(committee[:, 2], 0.0) ** 2,
        "model": held_out.predicted_tc,
    }
    figures: dict[str, float] = {"rows": float(rows.sum())}
    for name, tc in predictions.items():
        figures |= {f"{name}: {key}": value for key, value in _errors(truth, tc[rows]).items()}
    error = np.abs(held_out.mean - held_out.targets[:, :2])[rows].mean(axis=0)
    figures |= {"model: MAE of ln lambda": float(error[0]), "model: MAE of ln omega_log": float(error[1])}
    if not rows.all():
        for name in ("mean of the training set", "model"):
            errors = _errors(held_out.tc_k[~rows], predictions[name][~rows])
            figures |= {f"{name}, other set: {key}": value for key, value in errors.items()}
    return figures | coverage(held_out)


def _errors(truth: FloatArray, tc: FloatArray) -> dict[str, float]:
    figures = {"MAE (K)": float(np.abs(tc - truth).mean()), "bias (K)": float((tc - truth).mean())}
    for limit in (5.0, 15.0):
        if (truth > limit).any():
            figures[f"AP Tc > {limit:g} K"] = float(average_precision_score(truth > limit, tc))
    return figures


def print_results(results: dict[str, dict[str, float]]) -> None:
    """Print the figures of one or more cross-validations side by side."""
    table = Table("5-fold by reduced formula, held out", *results)
    names: dict[str, Any] = dict.fromkeys(name for figures in results.values() for name in figures)
    for name in names:
        table.add_row(name, *(f"{figures[name]:.3f}" if name in figures else "" for figures in results.values()))
    Console(width=120).print(table)
