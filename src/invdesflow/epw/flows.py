"""The flow from a crystal to its `ElectronPhononDocument`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from jobflow import Flow, Response, job
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import space_group
from invdesflow.database import Database
from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.epw.coupling_jobs import EpwMaker, spectrum_of
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.gap_jobs import COLDEST_K, EliashbergMaker
from invdesflow.epw.outputs import FineOutput, GapOutput
from invdesflow.epw.path_jobs import PathCouplingMaker
from invdesflow.epw.results import finished, stopped
from invdesflow.epw.wannier_jobs import WannierMaker
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation, pseudopotential_references
from invdesflow.espresso.cutoffs import cutoff_note
from invdesflow.espresso.failure_notes import noted_failure, notes_failure
from invdesflow.espresso.meshes import Meshes, band_path, explicit_k_points, primitive_for_espresso
from invdesflow.espresso.outputs import PhononOutput, PwOutput
from invdesflow.espresso.ph_jobs import PhononMaker
from invdesflow.espresso.preflight import check_before_running
from invdesflow.espresso.pw_jobs import PwNscfMaker, PwRelaxMaker, PwStaticMaker
from invdesflow.makers import SettingsMaker

__all__ = ["MAY_BE_MAGNETIC", "ElectronPhononMaker"]

_SMALLEST_GAP_EV = 0.05  # a mesh may miss the crossing of a metal's bands by so much
_SMALLEST_MOMENT = 0.05  # Bohr magnetons per atom, absolute
MAY_BE_MAGNETIC = frozenset(
    "Cr Mn Fe Co Ni Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb U Np Pu Am Cm".split()  # noqa: SIM905 - easier to read
)
"""Elements whose crystals are also calculated with spin."""


@dataclass
class ElectronPhononMaker(SettingsMaker):
    """From a crystal to lambda, omega_log, alpha2F, the gap and Tc, by Quantum ESPRESSO and EPW.

    1. Store the document as *running*; look before the first step whether all is there.
    2. Relax cell and atoms at the pressure, as far as the protocol wants it; find the density.
    3. Stop at an insulator or a magnet, with that as the result.
    4. Phonons, one job for each irreducible q-point; stop at imaginary modes, with that as the result.
    5. Wannier functions, checked against the bands.
    6. The coupling on coarse meshes, then on finer and finer ones until Tc and N(E_F) stay the same.
    7. The Eliashberg equations, one temperature a job.
    8. Put it together in one document.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the flow.
    """

    calculation: Calculation
    name: str = "electron-phonon"

    def make(self, structure: Structure, candidate_id: str | None = None) -> Flow:
        """Set up the calculation of one crystal.

        Parameters
        ----------
        structure
            Any cell of an ordered crystal, or the output of a job that makes one.
        candidate_id
            The candidate that it verifies, if it is one.
        """
        begin = self.begin(structure, candidate_id)
        return Flow([begin], output=begin.output, name=self.name)

    @job(name="begin")
    @notes_failure
    def begin(self, structure: Structure, candidate_id: str | None) -> Response[str]:
        """Store the document as running, and replace this job by the first steps.

        Raises
        ------
        StructureError, EspressoError
            If the crystal cannot be calculated, or something that is needed is missing.
        """
        primitive = primitive_for_espresso(structure)
        elph_id = self.calculation.identifier("elph", primitive)
        calculation = self.calculation.model_copy(update={"elph_id": elph_id})
        with Database() as database:
            collection = database.collection(ElectronPhononDocument)
            known = collection.get(elph_id)
            if known is None or known.status in ("running", "failed"):  # a result stays until there is another
                running = _running(primitive, calculation, elph_id, candidate_id)
                if known is not None:  # what was tried before costs, too
                    running.candidate_id = candidate_id or known.candidate_id
                    running.task_ids = known.task_ids
                collection.upsert([running])
        with noted_failure(elph_id):
            check_before_running(primitive, calculation)
        jobs = []
        start: Structure = primitive
        parents: Sequence[str] = ()
        if calculation.protocol.relax:
            jobs.append(PwRelaxMaker(calculation).make(primitive))
            start, parents = jobs[0].output.structure, [jobs[0].output.task_id]
        static = PwStaticMaker(calculation).make(start, parents)
        rest = replace(self, calculation=calculation).after_static(static.output)
        return Response(replace=Flow([*jobs, static, rest], output=rest.output, name=self.name))

    @job(name="judge metal")
    @notes_failure
    def after_static(self, static: PwOutput) -> Response[str]:
        """Stop at an insulator or a magnet; else go on to the phonons."""
        if static.gap_ev is None:
            raise EspressoError("pw.x found no empty bands, so a gap cannot be told.", "Raise extra_bands.")
        if static.gap_ev > _SMALLEST_GAP_EV:
            return Response(stopped(self.calculation, "insulating", f"The gap is {static.gap_ev:.3g} eV.", static))
        if MAY_BE_MAGNETIC.isdisjoint(element.symbol for element in static.structure.composition):
            return Response(replace=self._phonons(static))
        spin = PwStaticMaker(self.calculation, "scf with spin", starting_magnetisation=0.5)
        polarised = spin.make(static.structure, [static.task_id])
        rest = self.after_spin(static, polarised.output)
        return Response(replace=Flow([polarised, rest], output=rest.output))

    @job(name="judge magnetism")
    @notes_failure
    def after_spin(self, static: PwOutput, polarised: PwOutput) -> Response[str]:
        """Stop at a magnet; else go on to the phonons."""
        if polarised.absolute_magnetisation is None:
            raise EspressoError("pw.x told no magnetisation of its run with spin.", "Look at its output.")
        judged = static.model_copy(update={"checks": [polarised.task_id]})
        moment = polarised.absolute_magnetisation / len(static.structure)
        if moment > _SMALLEST_MOMENT:
            reason = f"The absolute magnetisation is {moment:.2f} Bohr magnetons per atom."
            return Response(stopped(self.calculation, "magnetic", reason, judged))
        return Response(replace=self._phonons(judged))

    def _phonons(self, static: PwOutput) -> Flow:
        phonons = PhononMaker(self.calculation).make(static)
        rest = self.after_phonons(static, phonons.output)
        return Flow([phonons, rest], output=rest.output)

    @job(name="judge stability")
    @notes_failure
    def after_phonons(self, static: PwOutput, phonons: PhononOutput) -> Response[str]:
        """Stop at imaginary modes; else go on to the coupling."""
        if not phonons.stable:
            lowest = phonons.imaginary_modes[0]
            place = ", ".join(f"{round(x, 4) + 0.0:g}" for x in lowest.q_point)  # no -0, no 2e-19
            number = len(phonons.imaginary_modes)
            reason = f"{number} imaginary modes, the lowest {lowest.frequency_cm1:.1f} cm-1 at q = ({place})."
            return Response(stopped(self.calculation, "dynamically_unstable", reason, static, phonons))
        protocol, structure = self.calculation.protocol, static.structure
        n_bands = self._bands(static)
        points = explicit_k_points(Meshes.of(structure, protocol).k_wannier)
        nscf = PwNscfMaker(self.calculation).make(static, points.tolist(), n_bands)
        path = band_path(structure, protocol.path_spacing)
        bands = PwNscfMaker(self.calculation, "bands").make(static, path.points.tolist(), n_bands)
        wannier = WannierMaker(self.calculation).make(nscf.output, bands.output, static.fermi_energy_ev)
        coupling = EpwMaker(self.calculation).make(wannier.output, phonons)
        rest = self.after_coupling(static, phonons, coupling.output)
        return Response(replace=Flow([nscf, bands, wannier, coupling, rest], output=rest.output))

    def _bands(self, static: PwOutput) -> int:
        """Return how many bands the Wannier functions are chosen from: all orbitals, one shell more, free ones.

        The shell is the smallest that is lacking: each band more costs time in all steps up to the interpolation.
        """
        protocol, structure = self.calculation.protocol, static.structure
        found = self.calculation.pseudopotentials(structure)
        orbitals, more = 0, []
        for element, number in structure.composition.items():
            momenta = [momentum for _, momentum in found[element.symbol].wavefunctions]
            orbitals += int(number) * sum(2 * momentum + 1 for momentum in momenta)
            more += [int(number) * (2 * momentum + 1) for momentum in range(3) if momentum not in momenta][:1]
        occupied = ceil(static.n_electrons / 2)
        wanted = max(occupied, orbitals + min(more, default=0))
        return wanted + protocol.extra_bands + protocol.extra_bands_per_atom * len(structure)

    @job(name="choose temperatures")
    @notes_failure
    def after_coupling(self, static: PwOutput, phonons: PhononOutput, fine: FineOutput) -> Response[str]:
        """Choose temperatures by the isotropic Tc, and replace this job by one for each and the last step."""
        protocol = self.calculation.protocol
        spectrum = spectrum_of(fine.series[-1].task_id)
        cutoff = protocol.wscut_multiple * spectrum.omega_max_mev
        expected = critical_temperature(Pairing(spectrum, protocol.mu_stars[0], cutoff))
        wanted = [] if expected is None else [fraction * expected for fraction in protocol.temperature_fractions]
        solved = [
            EliashbergMaker(self.calculation, f"Eliashberg at {temperature:.4g} K").make(fine, temperature)
            for temperature in wanted
            if temperature >= COLDEST_K
        ]
        along = [PathCouplingMaker(self.calculation).make(fine)] if protocol.path_couplings else []
        path_task_id = along[0].output if along else None
        last = self.conclude(static, phonons, fine, [one.output for one in solved], path_task_id)
        return Response(replace=Flow([*along, *solved, last], output=last.output))

    @job(name="put together")
    @notes_failure
    def conclude(
        self,
        static: PwOutput,
        phonons: PhononOutput,
        fine: FineOutput,
        gaps: Sequence[GapOutput],
        path_task_id: str | None,
    ) -> str:
        """Put everything into the document; return its identifier."""
        return finished(self.calculation, static, phonons, fine=fine, gaps=gaps, path_task_id=path_task_id)


def _running(
    structure: Structure, calculation: Calculation, elph_id: str, candidate_id: str | None
) -> ElectronPhononDocument:
    pseudopotentials = calculation.pseudopotentials(structure)
    return ElectronPhononDocument(
        elph_id=elph_id,
        candidate_id=candidate_id,
        reduced_formula=structure.composition.reduced_formula,
        space_group_number=space_group(structure)[0],
        structure=structure,
        pressure_gpa=calculation.pressure_gpa,
        protocol=calculation.protocol.name,
        changed_settings=calculation.protocol.changed(),
        settings=calculation.protocol.values(),
        pseudopotentials=pseudopotential_references(pseudopotentials),
        cutoff_note=cutoff_note(calculation.protocol, pseudopotentials),
        status="running",
        reason="",
    )
