"""Growing the members of the baseline Tc model with scikit-learn and torch, and turning them into plain arrays."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.ensemble import ExtraTreesRegressor

from invdesflow.errors import ModelError
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.perceptron import PerceptronCommittee
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["fit_domain", "fit_networks", "fit_trees", "forest_arrays"]

FloatArray = NDArray[np.float64]

COMPONENTS, CENTRES = 24, 256
LAYERS = (256, 256, 256)
DROPOUT, EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 0.2, 120, 128, 2e-3, 1e-2
TASK_WEIGHTS = (1.0, 0.5, 2.0, 1.0, 0.5)  # ln lambda, ln omega_log, sqrt(Tc), ln N(E_F), ln Debye temperature


def forest_arrays(forest: Any) -> TreeEnsemble:
    """Flatten a fitted scikit-learn forest.

    scikit-learn compares float32 features with float64 thresholds; the largest float32 at or below a threshold decides
    in the same way.
    """
    parts: dict[str, list[NDArray[Any]]] = {"feature": [], "threshold": [], "right": [], "values": []}
    for estimator in forest.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        if not (leaf | (tree.children_left == np.arange(tree.node_count) + 1)).all() or tree.node_count > 2**16:
            raise ModelError("scikit-learn did not grow the trees depth first.", "Train with scikit-learn 1.5 to 1.9.")
        threshold = tree.threshold.astype(np.float32)
        threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        parts["feature"].append(np.where(leaf, -1, tree.feature).astype(np.int16))
        parts["threshold"].append(np.where(leaf, 0, threshold).astype(np.float32))
        parts["right"].append(np.where(leaf, 0, tree.children_right).astype(np.uint16))
        parts["values"].append(tree.value[leaf, :, 0].astype(np.float32))
    sizes = [len(feature) for feature in parts["feature"]]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return TreeEnsemble(roots=roots, **{name: np.concatenate(arrays) for name, arrays in parts.items()})


def fit_trees(
    features: NDArray[np.floating[Any]], targets: FloatArray, trees: int, seed: int, leaf: int = 1
) -> TreeEnsemble:
    """Grow extremely randomised trees (Geurts et al., Mach. Learn. 63, 3 (2006)) for all targets together.

    Parameters
    ----------
    features, targets
        Shapes (samples, features) and (samples, targets).
    trees
        How many.
    seed
        Seed of everything random.
    leaf
        Fewest samples in a leaf.
    """
    forest = ExtraTreesRegressor(trees, max_features=0.8, min_samples_leaf=leaf, random_state=seed, n_jobs=1)
    return forest_arrays(forest.fit(features, targets))


def fit_networks(
    inputs: NDArray[np.floating[Any]], targets: FloatArray, members: int, seed: int, epochs: int = EPOCHS
) -> PerceptronCommittee:
    """Train perceptrons on several targets at once; a target that is NaN does not count.

    Parameters
    ----------
    inputs
        Standardised inputs, shape (samples, inputs).
    targets
        ln lambda, ln omega_log, sqrt(Tc), ln N(E_F), ln Debye temperature, shape (samples, 5).
    members
        Number of perceptrons; they differ in their start and the order of the samples.
    seed
        Seed of the first one.
    epochs
        Passes over the samples.

    Returns
    -------
    PerceptronCommittee
        With the targets in their own units as outputs.
    """
    torch.set_num_threads(1)
    mean, deviation = np.nanmean(targets, axis=0), np.nanstd(targets, axis=0)
    x = torch.tensor(inputs, dtype=torch.float32)
    y = torch.tensor((targets - mean) / deviation, dtype=torch.float32)
    states = [_train_network(x, y, seed + member, epochs) for member in range(members)]
    weights = [np.stack([state[layer][0] for state in states]) for layer in range(len(LAYERS) + 1)]
    biases = [np.stack([state[layer][1] for state in states]) for layer in range(len(LAYERS) + 1)]
    weights[-1] = weights[-1] * deviation
    biases[-1] = biases[-1] * deviation + mean
    return PerceptronCommittee(
        tuple(w.astype(np.float32) for w in weights), tuple(b.astype(np.float32) for b in biases)
    )


def _train_network(x: torch.Tensor, y: torch.Tensor, seed: int, epochs: int) -> list[tuple[FloatArray, FloatArray]]:
    torch.manual_seed(seed)
    sizes = (x.shape[1], *LAYERS)
    modules: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        modules += [torch.nn.Linear(inputs, outputs), torch.nn.SiLU(), torch.nn.Dropout(DROPOUT)]
    network = torch.nn.Sequential(*modules, torch.nn.Linear(sizes[-1], y.shape[1]))
    known = ~torch.isnan(y)
    filled = torch.where(known, y, torch.zeros_like(y))
    weight = known * torch.tensor(TASK_WEIGHTS)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(x)), BATCH):
            loss = torch.nn.functional.smooth_l1_loss(network(x[batch]), filled[batch], beta=0.5, reduction="none")
            optimiser.zero_grad()
            torch.autograd.backward((loss * weight[batch]).mean())
            optimiser.step()
            schedule.step()
    linear = [module for module in network if isinstance(module, torch.nn.Linear)]
    return [
        (m.weight.detach().numpy().T.astype(np.float64), m.bias.detach().numpy().astype(np.float64)) for m in linear
    ]


def fit_domain(standardised: FloatArray, unit: float, seed: int) -> TrainingDomain:
    """Describe the training set by k-means centres among its leading principal components."""
    mean = standardised.mean(axis=0)
    components = min(COMPONENTS, *standardised.shape)
    _, _, directions = np.linalg.svd(standardised - mean, full_matrices=False)
    projection = directions[:components].T
    inside = (standardised - mean) @ projection
    clusters = KMeans(min(CENTRES, len(inside)), n_init=1, random_state=seed).fit(inside)
    arrays = (mean, projection, clusters.cluster_centers_, np.array([unit]))
    return TrainingDomain(*(array.astype(np.float32) for array in arrays))
