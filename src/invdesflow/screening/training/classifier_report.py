"""How good the classifier is on formulas that it has not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss

from invdesflow.screening.classifier_members import Law

__all__ = ["NEGATIVES", "THRESHOLDS", "Judged", "calibrate", "figures", "print_figures", "ranking"]

NEGATIVES = ("metal", "insulator", "magnet")
THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
RECALL = 0.9
BINS = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Labelled crystals with what a model says of them; one entry for each.

    Parameters
    ----------
    score
        Larger for a superconductor: a logit or a probability.
    kinds
        "superconductor" or one of `NEGATIVES`.
    checked
        Whether it is one of the 105 superconductors of the paper.
    """

    score: FloatArray
    kinds: NDArray[np.str_]
    checked: NDArray[np.bool_]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Superconductors."""
        return np.asarray(self.kinds == "superconductor")


def calibrate(logits: FloatArray, truth: NDArray[np.bool_]) -> Law:
    """Fit the law that weighs networks and forest and gives probabilities (Platt) for the mix of classes at hand.

    Parameters
    ----------
    logits, truth
        Logits of networks and forest, and whether it is a superconductor, shapes (crystals, 2) and (crystals,).
    """
    fitted = LogisticRegression(C=np.inf).fit(logits, truth)
    return Law(float(fitted.coef_[0, 0]), float(fitted.coef_[0, 1]), float(fitted.intercept_[0]))


def ranking(judged: Judged) -> dict[str, float]:
    """Return the figures that depend on the order of the scores alone, so that models compare without calibration."""
    truth, score = judged.truth, judged.score
    found = {"rows": float(len(truth)), "superconductors": float(truth.sum())}
    if not truth.any():
        return found
    limit = np.quantile(score[truth], 1.0 - RECALL, method="lower")
    for kind in NEGATIVES:
        rows = judged.kinds == kind
        if rows.any():
            pair = rows | truth
            found[f"AP against {kind}s"] = float(average_precision_score(truth[pair], score[pair]))
            found[f"{kind}s passed at {RECALL:.0%} recall"] = float((score[rows] >= limit).mean())
    return found | {"AP": float(average_precision_score(truth, score))}


def figures(judged: Judged) -> dict[str, float]:
    """Return all figures of calibrated probabilities: ranking, thresholds, Brier score and reliability."""
    truth, score = judged.truth, judged.score
    found = ranking(judged) | {"Brier": float(brier_score_loss(truth, score))}
    found["Brier of the share of superconductors"] = float(truth.mean() * (1.0 - truth.mean()))
    groups = {"superconductors": truth, "the checked 105": judged.checked}
    groups |= {f"{kind}s": judged.kinds == kind for kind in NEGATIVES}
    for name, rows in groups.items():
        if rows.any():
            found[f"{name}, rows"] = float(rows.sum())
            found |= {f"{name} passed at p >= {t:g}": float((score[rows] >= t).mean()) for t in THRESHOLDS}
    inside = np.clip(np.digitize(score, BINS[1:-1]), 0, len(BINS) - 2)
    for number in np.unique(inside):
        rows, name = inside == number, f"p from {BINS[number]:g} to {BINS[number + 1]:g}"
        found[f"{name}, rows"] = float(rows.sum())
        found[f"{name}, mean p"] = float(score[rows].mean())
        found[f"{name}, share of superconductors"] = float(truth[rows].mean())
    return found


def print_figures(title: str, results: dict[str, dict[str, float]]) -> None:
    """Print the figures of several models side by side."""
    table = Table(title, *results)
    names = dict.fromkeys(name for found in results.values() for name in found)
    for name in names:
        cells = [f"{found[name]:.4g}" if name in found else "" for found in results.values()]
        table.add_row(name, *cells)
    Console(width=160).print(table)
