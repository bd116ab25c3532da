"""One host and one guest from the command to the report, with Quantum ESPRESSO and EPW: fcc palladium and PdH.

    python benchmarks/intercalation_pair.py FAMILY [--pressure GPA] [--folder FOLDER] [--figures FOLDER]

FAMILY is a folder with the PBE pseudopotentials of PseudoDojo. The database, the run folders and the report go into
the folder; the same command continues after a stop. The meshes are far from converged: what is shown is that the two
calculations end, that they are compared, and which way the coupling goes. Harmonic phonons of PdH are imaginary at
ambient pressure; under 20 GPa they are real.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.intercalation.documents import IntercalationStudyDocument
from invdesflow.plotting.intercalation_table import study_rows
from invdesflow.settings import get_settings
from invdesflow.testing.local_server import free_port, write_store_file

CAMPAIGN = "pair"
LATTICE_CONSTANT_A = 3.94
SETTINGS = {
    "ecutwfc_ry": "80",  # with 60 Ry the pressure of Pd is 18 GPa off
    "ecutrho_ry": "320",
    "k_spacing": "0.35",
    "q_spacing": "1.4",
    "wannier_k_multiple": "3",
    "fine_q_spacings": "[0.6, 0.45]",
    "fine_k_multiple": "3",
    "degaussw_ev": "0.15",
    "path_spacing": "0.1",
}


def main() -> None:
    """Run the command, then print the table of the study and what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", type=Path)
    parser.add_argument("--pressure", type=float, default=0.0, help="GPa")
    parser.add_argument("--folder", type=Path, default=Path("intercalation_pair"))
    parser.add_argument("--figures", type=Path, help="where the figures of the report go as PNG files")
    options = parser.parse_args()
    folder = options.folder.resolve()
    use_own_place(folder)
    host = folder / "Pd.cif"
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(LATTICE_CONSTANT_A), ["Pd"], [[0, 0, 0]]).to(str(host))
    changes = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    invdesflow = Path(sys.executable).with_name("invdesflow")
    calculate = [invdesflow, "intercalate", host, "--guests", "H", "--pressure", str(options.pressure)]
    calculate += ["--campaign", CAMPAIGN, "--verify", "--protocol", "fast"]
    subprocess.run([*calculate, "--family", options.family.resolve(), *changes], check=True)
    if options.figures:
        draw = [invdesflow, "report", "intercalation", CAMPAIGN, "--figures", options.figures.resolve()]
        subprocess.run(draw, check=True)
    with Database() as database:
        print_study(database)
        database.local_server().stop()


def use_own_place(folder: Path) -> None:
    """Keep database and runs in a folder, and find them there again."""
    stores = folder / "stores" / "local.yaml"
    if not stores.is_file():
        write_store_file(stores.parent, free_port())
    os.environ |= {"INVDESFLOW_DATA_DIR": str(folder / "data"), "INVDESFLOW_STORES": str(stores)}
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    get_settings.cache_clear()


def print_study(database: Database) -> None:
    """Print the table of the study as Markdown, and the core-hours."""
    (study,) = database.collection(IntercalationStudyDocument).find({})
    (pair,) = study.pairs
    print(f"| quantity | {study.host_formula} | {pair.formula} | difference |\n| --- | --- | --- | --- |")
    for row in study_rows(study, [pair]):
        name = f"{row.group}: {row.name.striptags()}" + (f" ({row.unit})" if row.unit else "")
        print(f"| {name} | {row.host or '-'} | {row.cells[0].value or '-'} | {row.cells[0].difference or '-'} |")
    for document in database.collection(ElectronPhononDocument).find({}):
        hours = document.core_hours or 0.0
        print(f"{document.reduced_formula}: {document.status}, {hours:.2f} core-hours. {document.reason}")


if __name__ == "__main__":
    main()
