"""A committee of multilayer perceptrons as plain arrays, evaluated with numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from invdesflow.errors import ModelError

__all__ = ["PerceptronCommittee"]


@dataclass(frozen=True)
class PerceptronCommittee:
    """Perceptrons of equal shape with SiLU activations and a linear last layer.

    Parameters
    ----------
    weights
        One array per layer, shape (members, inputs, outputs), float32.
    biases
        One array per layer, shape (members, outputs), float32.
    """

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        fits = len(self.weights) == len(self.biases) > 0 and all(
            w.ndim == 3 and b.shape == (w.shape[0], w.shape[2]) for w, b in zip(self.weights, self.biases, strict=True)
        )
        if not fits or any(a.shape[2] != b.shape[1] for a, b in zip(self.weights, self.weights[1:], strict=False)):
            raise ModelError("the layers of the perceptrons do not fit together.", "Install the package again.")

    def predict(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Evaluate every member on every sample.

        Parameters
        ----------
        samples
            Standardised inputs, shape (samples, inputs).

        Returns
        -------
        ndarray
            Shape (samples, members, outputs).
        """
        signal = np.asarray(samples, dtype=np.float64)[None]
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            signal = np.matmul(signal, weight.astype(np.float64)) + bias[:, None]
            if layer < last:
                signal = signal * expit(signal)
        return np.swapaxes(signal, 0, 1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {f"weight{k}": w for k, w in enumerate(self.weights)} | {
            f"bias{k}": b for k, b in enumerate(self.biases)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "PerceptronCommittee":
        """Rebuild a committee from its arrays.

        Raises
        ------
        ModelError
            If the arrays do not fit together.
        """
        layers = range(sum(name.startswith("weight") for name in arrays))
        try:
            return cls(tuple(arrays[f"weight{k}"] for k in layers), tuple(arrays[f"bias{k}"] for k in layers))
        except KeyError as error:
            raise ModelError(f"the weights lack {error.args[0]}.", "Install the package again.") from error
