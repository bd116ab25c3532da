"""What the plane-wave cutoff does to the labels of a potential: forces converge early, the stress late.

    python benchmarks/label_cutoff.py K2CuH6 --family pseudodojo-pbe-standard --cutoffs 60 80

One distorted crystal is labelled at every cutoff; the last is the reference. The stress of pw.x is that of a fixed
number of plane waves, the energy that of a fixed cutoff: where the pressure still changes, a potential learns two
answers.
"""

import argparse

import numpy as np
from ase import units

from invdesflow.campaigns.subjects import find_subject
from invdesflow.database import Database
from invdesflow.espresso.calculation import Calculation
from invdesflow.learning.potential.frames import Frame
from invdesflow.learning.potential.labelling import label_with_espresso
from invdesflow.learning.potential.sampling import DistortionSettings, distorted


def main() -> None:
    """Label and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject")
    parser.add_argument("--family", default="pseudodojo-pbe-standard")
    parser.add_argument("--cutoffs", type=float, nargs="+", default=[60.0, 80.0])
    parser.add_argument("--k-spacing", type=float, default=0.6, help="1/A")
    parser.add_argument("--operations", type=int, default=6)
    arguments = parser.parse_args()
    with Database() as database:
        structure = find_subject(database, arguments.subject).structure
    [crystal] = distorted(structure, DistortionSettings(operations=arguments.operations), 1, seed=0)
    frames = {}
    for cutoff in arguments.cutoffs:
        settings = {"ecutwfc_ry": cutoff, "ecutrho_ry": 4 * cutoff, "k_spacing": arguments.k_spacing, "conv_thr": 1e-8}
        [answer] = label_with_espresso([crystal], Calculation.of("moderate", arguments.family, overrides=settings))
        if not isinstance(answer, Frame):
            raise SystemExit(answer.reason)
        frames[cutoff] = answer
    reference = frames[arguments.cutoffs[-1]]
    print("| ecutwfc (Ry) | pressure (GPa) | forces, rms from the last (meV/A) |\n| --- | --- | --- |")
    for cutoff, frame in frames.items():
        pressure = np.trace(frame.virial_ev) / 3 / frame.volume / units.GPa
        error = 1000 * np.sqrt(np.mean((frame.forces - reference.forces) ** 2))
        print(f"| {cutoff:g} | {pressure:.1f} | {error:.1f} |")


if __name__ == "__main__":
    main()
