"""Read CIFs in the process of their own that limits them, against parsing them here; both ways alternate.

Usage: python benchmarks/crystal_files.py [--crystals 1000]

The files are the catalogue's crystals, written as CIF, over and over. Printed are the start of the process, the times
of both ways in ms per file, and their ratio.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Sequence

from pymatgen.core import Structure

from invdesflow.crystals.formats import parse_structure
from invdesflow.crystals.reading import structure_from_text
from invdesflow.crystals.writing import structure_to_text
from invdesflow.superconductors.catalogue import load_catalogue

REPEATS = 3


def seconds(read: Callable[[str], Structure], texts: Sequence[str]) -> float:
    """Return the time that it takes to read all texts."""
    begin = time.perf_counter()
    for text in texts:
        read(text)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", type=int, default=1000)
    count = parser.parse_args().crystals
    crystals = [structure_to_text(document.structure, "cif") for document in load_catalogue()]
    texts = list(itertools.islice(itertools.cycle(crystals), count))

    def here(text: str) -> Structure:
        return parse_structure(text, "cif", "here")

    def apart(text: str) -> Structure:
        return structure_from_text(text, "cif")

    seconds(here, texts[:1])
    print(f"start of the process            {seconds(apart, texts[:1]):8.2f} s")
    times = [(seconds(here, texts), seconds(apart, texts)) for _ in range(REPEATS)]
    best_here, best_apart = (min(column) for column in zip(*times, strict=True))
    print(f"{count} CIFs in this process       {1000 * best_here / count:8.2f} ms each")
    print(f"{count} CIFs in one of their own   {1000 * best_apart / count:8.2f} ms each")
    print(f"ratio                           {best_apart / best_here:8.2f}")


if __name__ == "__main__":
    main()
