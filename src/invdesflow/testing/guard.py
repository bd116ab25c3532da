"""Clean up behind a test run: ``python -m invdesflow.testing.guard DATA_DIR HOST PORT``."""

import shutil
import sys
from pathlib import Path

from invdesflow.database.server import LocalServer

if __name__ == "__main__":
    data_dir, host, port = sys.argv[1:]
    sys.stdin.read()  # ends when the process at the other end of the pipe ends, however it does
    LocalServer(Path(data_dir) / "database", host, int(port)).stop()
    shutil.rmtree(data_dir)
