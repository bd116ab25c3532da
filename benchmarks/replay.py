"""What the acquisition strategies are worth, without DFT: search a set whose Tc is known as if nobody knew.

    python benchmarks/replay.py DATA [--format alexandria|jarvis] [--seeds 5] [--threshold 15] [--initial 50]
        [--batch 50] [--budget 750] [--trees 50] [--cache FOLDER] [--figure FILE.html FILE.png]

The labels are hidden; a random set is revealed first, the same for all strategies of a seed. In every round a committee
of trees is fitted to what was revealed, and a batch is chosen and revealed. Printed is how many calculations each
strategy spent until half of the crystals above the threshold were found, and how many fewer that are than random
choice needed with the same seed: median and range over the seeds. Every calculation counts 1.

Then, for each strategy, the elements and prototypes that it chose more often than chance explains in its first seed,
and the divergence from the pool, as the log of the bias shows them.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import get_args

from invdesflow.learning.labelled_sets import SetFormat, read_labelled_set
from invdesflow.learning.replay import ReplaySettings
from invdesflow.learning.replay_study import bias_table, replay_study, standard_strategies, study_table
from invdesflow.learning.surrogate import SurrogateSettings
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.replay import replay_figure

SHARE = 0.5


def _tell(strategy: str, seed: int, spent: int) -> None:
    """Say on the terminal's error stream how far the study is."""
    sys.stderr.write(f"\r{strategy}, seed {seed}: {spent} calculations\033[K")


def main() -> None:
    """Replay, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--format", choices=get_args(SetFormat), default="alexandria")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threshold", type=float, default=15.0, help="K")
    parser.add_argument("--initial", type=int, default=50)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--budget", type=int, default=750, help="calculations of each strategy but random")
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--cache", type=Path, help="folder where the features are kept")
    parser.add_argument("--figure", type=Path, nargs="*", default=[], help="files to draw")
    options = parser.parse_args()
    data = read_labelled_set(options.data, options.format, options.cache)
    start = time.process_time()
    settings = ReplaySettings(
        threshold_k=options.threshold,
        initial=options.initial,
        budget=min(options.budget, len(data)),
        surrogate=SurrogateSettings(trees=options.trees),
    )
    strategies = standard_strategies(options.threshold, options.batch)
    study = replay_study(data, settings, strategies, range(options.seeds), report=_tell)
    print(f"{study.crystals} crystals, {study.positives} above {options.threshold:g} K, {options.seeds} seeds")
    print(study_table(study, SHARE))
    print(f"\n{bias_table(study, data)}")
    print(f"\n{time.process_time() - start:.0f} s of the processor without reading the set")
    for path in options.figure:
        write_figure(replay_figure(study, SHARE), path)


if __name__ == "__main__":
    main()
