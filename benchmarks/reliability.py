"""What kills, full disks and wrong clocks cost: faults x repeats x losses, each fault at seeded random moments.

    python benchmarks/reliability.py --repeats 20 --write docs/reliability.md

What the log holds is not repeated: a run that was ended goes on with the same command, and two runs with other faults
(`--only`) may share a log. Remove the log after a change of the code.

It starts servers and processes of its own in a folder of its own; nothing of the user's is touched. Some faults need
root (a small disk), Slurm (slurm-wlm, munge) or libfaketime (faketime); what cannot be tried is said in the table.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from invdesflow.testing.faults.catalogue import scenarios
from invdesflow.testing.faults.scenario import Scenario
from invdesflow.testing.faults.world import Place, place_at

_TABLE = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->)", re.DOTALL)
_HEAD = ["| fault | repeats | repeats with losses | seconds a repeat |", "| --- | ---: | ---: | ---: |"]


@dataclass
class Row:
    """A fault, and what came of its repeats: seed -> record."""

    scenario: Scenario
    records: dict[int, dict[str, Any]]
    reason: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.reason = self.scenario.why_not()

    def repeat(self, place: Place, seed: int, log: Path) -> None:
        """Let the fault happen once more."""
        began = time.monotonic()
        outcome = self.scenario.run(place, Random(f"{self.scenario.name} {seed}"))
        seconds = round(time.monotonic() - began, 1)
        record = {"fault": self.scenario.name, "seed": seed, "moment": outcome.moment, "losses": outcome.losses}
        self.records[seed] = record | {"seconds": seconds}
        with log.open("a") as lines:
            lines.write(json.dumps(self.records[seed]) + "\n")
        said = f": {outcome.losses}" if outcome.losses else ""
        print(f"{self.scenario.name}, seed {seed}, {outcome.moment}, {seconds} s{said}", flush=True)

    def __str__(self) -> str:
        name, records = self.scenario.name, self.records.values()
        if not records:
            return f"| {name} | 0 | {f'not tried: {self.reason}' if self.reason else ''} | |"
        losses = sum(bool(record["losses"]) for record in records)
        return f"| {name} | {len(records)} | {losses} | {mean(record['seconds'] for record in records):.1f} |"


def main() -> None:
    """Let every fault happen as often as is asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="of each fault")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no repeat after this time")
    parser.add_argument("--only", action="append", help="faults whose name contains this; repeatable")
    parser.add_argument("--gone", type=float, default=60.0, help="seconds for which the database is gone")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--write", type=Path, help="page whose table is replaced in the end")
    parser.add_argument("--log", type=Path, default=Path("reliability.jsonl"), help="one line for each repeat")
    options = parser.parse_args()
    # In memory where the system has such a folder: what is killed loses nothing of it, and no repeat waits for a disk.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="invdesflow-faults-", dir=memory if os.access(memory, os.W_OK) else None))
    os.environ["INVDESFLOW_SETTINGS_FILE"] = str(folder / "settings.yaml")
    (folder / "settings.yaml").touch(mode=0o600)
    deadline = time.monotonic() + 60.0 * options.minutes
    with scenarios(options.gone) as known, place_at(folder / "data") as place:
        rows = [Row(one, _records(options.log, one)) for one in known]
        chosen = [row for row in rows if any(part in row.scenario.name for part in options.only or [""])]
        for seed in range(options.seed, options.seed + options.repeats):
            for row in chosen:
                if row.reason is None and seed not in row.records and time.monotonic() < deadline:
                    row.repeat(place, seed, options.log)
    shutil.rmtree(folder)
    table = [*_HEAD, *map(str, rows)]
    print("\n".join(table))
    if options.write is not None:
        _write(options.write, table)


def _records(log: Path, scenario: Scenario) -> dict[int, dict[str, Any]]:
    """Return the repeats of a fault that the log holds, by seed."""
    records = map(json.loads, log.read_text().splitlines() if log.exists() else [])
    return {record["seed"]: record for record in records if record["fault"] == scenario.name}


def _write(page: Path, lines: Sequence[str]) -> None:
    table = "\n".join(lines)
    page.write_text(_TABLE.sub(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", page.read_text()))


if __name__ == "__main__":
    main()
