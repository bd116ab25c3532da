"""How good a Tc model of trees and networks is on formulas that it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score

from invdesflow.screening.tc_baseline import critical_temperature, tc_deviation, tc_width
from invdesflow.screening.training.splits import FOLDS

__all__ = [
    "MU_STAR",
    "OutOfFold",
    "calibrate",
    "fit_deviation",
    "log_figures",
    "print_results",
    "report",
    "tc_figures",
    "tc_from_logs",
    "tc_from_roots",
]

MU_STAR = 0.10
ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545
LARGEST_STRETCH = 50.0
SUPERCONDUCTOR_K = 5.0

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
    parts
        Tc by parts of the model, K: name -> shape (samples,).
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
    parts: Mapping[str, FloatArray]
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


def tc_from_roots(roots: FloatArray) -> FloatArray:
    """Tc in K from sqrt(Tc); a negative root means none."""
    return np.maximum(roots, 0.0) ** 2


def calibrate(held_out: OutOfFold) -> dict[str, float]:
    """Return the constants of the uncertainty.

    The intervals are stretched to cover what they promise (split conformal prediction). The standard deviation is
    fitted to the errors: they have far longer tails than intervals tell, and where an interval ends at no
    superconductivity it has no width at all.
    """
    taught = held_out.taught
    surprise = held_out.surprise[taught]
    stretch = float(np.quantile(surprise, ONE_SIGMA))
    width = tc_width(held_out.mean, stretch * held_out.sigma, MU_STAR)
    floor, factor = fit_deviation((held_out.predicted_tc - held_out.tc_k)[taught], width[taught])
    return {
        "residual_log_lambda": held_out.residual,
        "stretch_68": stretch,
        "stretch_95": float(np.quantile(surprise, TWO_SIGMA)),
        "std_floor_k": floor,
        "std_per_width": factor,
    }


def fit_deviation(error: FloatArray, width: FloatArray) -> tuple[float, float]:
    """Return the floor (K) and the factor with which `tc_deviation` makes normal errors likeliest.

    One row more counts, without width and with the root mean square of all errors: where there are few rows without
    width, and each was met exactly, the next one may be missed (the rule of succession), and a floor of zero would be
    the likeliest.

    Parameters
    ----------
    error
        Predicted less true Tc (K), shape (samples,).
    width
        Half widths of the 68 % intervals (K), shape (samples,).
    """
    squares, width = np.append(error**2, (error**2).mean()), np.append(width, 0.0)

    def surprise(logs: FloatArray) -> float:
        variance = tc_deviation(width, *np.exp(logs)) ** 2
        return float((np.log(variance) + squares / variance).mean())

    floor, factor = np.exp(minimize(surprise, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6}).x)
    return float(floor), float(factor)


def coverage(held_out: OutOfFold) -> dict[str, float]:
    """Measure the intervals on each fold with the stretch from the other folds."""
    surprise, inside = held_out.surprise, {}
    for name, share in (("68", ONE_SIGMA), ("95", TWO_SIGMA)):
        others = [surprise[held_out.taught & (held_out.folds != fold)] for fold in range(FOLDS)]
        limits = np.array([np.quantile(values, share) for values in others])
        inside[name] = surprise <= limits[held_out.folds]
    return {
        f"coverage of {name} %{part}": float(hits[mask].mean())
        for name, hits in inside.items()
        for part, mask in _parts(held_out).items()
    }


def standardised_errors(held_out: OutOfFold) -> dict[str, float]:
    """Measure the standard deviation on each fold as fitted to the others: 1 where errors are as large as it says."""
    error = held_out.predicted_tc - held_out.tc_k
    ratio = np.empty_like(error)
    for fold in range(FOLDS):
        rows, others = held_out.folds == fold, held_out.taught & (held_out.folds != fold)
        stretch = np.quantile(held_out.surprise[others], ONE_SIGMA)
        width = tc_width(held_out.mean, stretch * held_out.sigma, MU_STAR)
        ratio[rows] = error[rows] / tc_deviation(width[rows], *fit_deviation(error[others], width[others]))
    return {
        f"error over its standard deviation, rms{part}": float(np.sqrt((ratio[mask] ** 2).mean()))
        for part, mask in _parts(held_out).items()
    }


def _parts(held_out: OutOfFold) -> dict[str, NDArray[np.bool_]]:
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
    return {name: mask for name, mask in parts.items() if mask.any()}


def report(held_out: OutOfFold) -> dict[str, float]:
    """Return the figures of the cross-validation by name: on the benchmark rows, and of the model on the other set."""
    rows = held_out.benchmark
    truth = held_out.tc_k[rows]
    means = [held_out.tc_k[held_out.taught & (held_out.folds != fold)].mean() for fold in range(FOLDS)]
    constant = np.array(means)[held_out.folds]
    predictions = {
        "mean of the training set": constant,
        "formula with the true lambda and omega_log": tc_from_logs(held_out.targets),
        **held_out.parts,
        "model": held_out.predicted_tc,
    }
    figures: dict[str, float] = {"rows": float(rows.sum())}
    for name, tc in predictions.items():
        figures |= {f"{name}: {key}": value for key, value in tc_figures(truth, tc[rows]).items()}
    logs = log_figures(held_out.targets[rows], held_out.mean[rows])
    figures |= {f"model: {key}": value for key, value in logs.items()}
    if not rows.all():
        for name in ("mean of the training set", "model"):
            errors = tc_figures(held_out.tc_k[~rows], predictions[name][~rows])
            figures |= {f"{name}, other set: {key}": value for key, value in errors.items()}
    return figures | coverage(held_out) | standardised_errors(held_out)


def tc_figures(truth: FloatArray, tc: FloatArray) -> dict[str, float]:
    """Return errors of Tc (K), average precisions, and precision and recall of those predicted above 5 K."""
    figures = {"MAE (K)": float(np.abs(tc - truth).mean()), "bias (K)": float((tc - truth).mean())}
    for limit in (5.0, 15.0):
        if (truth > limit).any():
            figures[f"AP Tc > {limit:g} K"] = float(average_precision_score(truth > limit, tc))
    chosen, right = tc > SUPERCONDUCTOR_K, truth > SUPERCONDUCTOR_K
    if chosen.any() and right.any():
        figures["precision at 5 K"] = float(right[chosen].mean())
        figures["recall at 5 K"] = float(chosen[right].mean())
    return figures


def log_figures(targets: FloatArray, logs: FloatArray) -> dict[str, float]:
    """Return the errors of ln lambda and ln omega_log (meV), and of lambda and omega_log themselves."""
    error = np.abs(logs[:, :2] - targets[:, :2]).mean(axis=0)
    natural = np.abs(np.exp(logs[:, :2]) - np.exp(targets[:, :2])).mean(axis=0)
    return {
        "MAE of ln lambda": float(error[0]),
        "MAE of ln omega_log": float(error[1]),
        "MAE of lambda": float(natural[0]),
        "MAE of omega_log (meV)": float(natural[1]),
    }


def print_results(results: dict[str, dict[str, float]]) -> None:
    """Print the figures of one or more cross-validations side by side."""
    table = Table("5-fold by reduced formula, held out", *results)
    names: dict[str, Any] = dict.fromkeys(name for figures in results.values() for name in figures)
    for name in names:
        table.add_row(name, *(f"{figures[name]:.3f}" if name in figures else "" for figures in results.values()))
    Console(width=120).print(table)
