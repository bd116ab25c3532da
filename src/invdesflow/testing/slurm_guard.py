"""Clean up behind a test run: ``python -m invdesflow.testing.slurm_guard FOLDER``."""

import sys
from pathlib import Path

from invdesflow.testing.slurm import end_slurm

if __name__ == "__main__":
    sys.stdin.read()  # ends when the process at the other end of the pipe ends, however it does
    end_slurm(Path(sys.argv[1]))
