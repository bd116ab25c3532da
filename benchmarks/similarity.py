"""Measure whether the similarity of elements ranks those that really share a slot of a prototype.

Usage: python benchmarks/similarity.py CRYSTALS.jsonl.gz [...]

Each line of an input is an object with ``lattice``, ``species`` and, where known, ``spacegroup`` and ``ehull``. A slot
is a prototype (anonymous formula, space group, atoms per cell) with all elements but one given; the elements that
fill it in the data are known to replace each other. One of them is the query, all elements are ranked as its
replacement, and the others are the answers to be found. Printed: the mean average precision, how often the first
ranked element is an answer, and for the weights the mean log-likelihood of the answers against their softness.
"""

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability
from pymatgen.core import Composition, Element

from invdesflow.generation.similarity import DEFAULT_ELEMENTS, dissimilarity

MAX_ATOMS = 24
MAX_EHULL = 0.1
INDEX = {symbol: i for i, symbol in enumerate(DEFAULT_ELEMENTS)}


def slots(path: Path) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Yield (elements that are given, elements that fill the slot) for every slot that two or more elements fill."""
    fillings: dict[tuple[object, tuple[tuple[str, int], ...], int], set[str]] = defaultdict(set)
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            counts = Counter(row["species"])
            if len(row["species"]) > MAX_ATOMS or (row.get("ehull") or 0) > MAX_EHULL or not set(counts) <= set(INDEX):
                continue
            prototype = (Composition(counts).anonymized_formula, row.get("spacegroup"), len(row["species"]))
            for symbol, count in counts.items():
                given = tuple(sorted((s, n) for s, n in counts.items() if s != symbol))
                fillings[prototype, given, count].add(symbol)
    for (_, given, _), elements in fillings.items():
        if len(elements) > 1:
            yield frozenset(symbol for symbol, _ in given), frozenset(elements)


def rankings() -> dict[str, np.ndarray]:
    """Return matrices of similarity, (query, replacement)."""
    symbols = DEFAULT_ELEMENTS
    mendeleev = np.array([Element(symbol).mendeleev_no for symbol in symbols])
    substitution, log_ionic = SubstitutionProbability(), np.full((len(symbols), len(symbols)), -np.inf)
    for a in substitution.species:
        for b in substitution.species:
            if a.symbol in INDEX and b.symbol in INDEX:
                i, j = INDEX[a.symbol], INDEX[b.symbol]
                log_ionic[i, j] = max(log_ionic[i, j], np.log(substitution.prob(a, b)))
    return {
        "random": np.random.default_rng(0).random((len(symbols), len(symbols))),
        "ionic substitution (Hautier)": log_ionic,
        "Mendeleev number (Pettifor)": -np.abs(mendeleev[:, None] - mendeleev).astype(float),
        "invdesflow": -np.array([[dissimilarity(a, b) for b in symbols] for a in symbols]),
    }


def main() -> None:
    """Rank, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals", type=Path, nargs="+")
    matrices = rankings()
    softnesses = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    for path in parser.parse_args().crystals:
        scores: dict[str, list[tuple[float, float]]] = {name: [] for name in matrices}
        likelihoods: dict[float, list[float]] = {softness: [] for softness in softnesses}
        for given, elements in slots(path):
            for query in sorted(elements):
                choices = [symbol for symbol in DEFAULT_ELEMENTS if symbol != query and symbol not in given]
                answers = np.array([symbol in elements for symbol in choices])
                columns = [INDEX[symbol] for symbol in choices]
                for name, matrix in matrices.items():
                    hits = answers[np.argsort(-matrix[INDEX[query], columns], kind="stable")]
                    ranks = np.flatnonzero(hits) + 1
                    scores[name].append((float(np.mean(np.arange(1, len(ranks) + 1) / ranks)), float(hits[0])))
                for softness in softnesses:
                    log_weights = matrices["invdesflow"][INDEX[query], columns] / softness
                    log_weights -= np.logaddexp.reduce(log_weights)
                    likelihoods[softness].append(float(log_weights[answers].mean()))
        print(f"{path.name}: {len(scores['random'])} queries")
        for name, values in scores.items():
            precision, first = np.mean(values, axis=0)
            print(f"  {name:30s} average precision {precision:.3f}   first is an answer {first:.3f}")
        print("  log-likelihood by softness", {s: round(float(np.mean(v)), 3) for s, v in likelihoods.items()})


if __name__ == "__main__":
    main()
