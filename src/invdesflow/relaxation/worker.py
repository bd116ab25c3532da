"""A worker process of `relax_batch`: loads a potential once, then relaxes what it is sent."""

import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue

from pymatgen.core import Structure

from invdesflow.errors import PotentialError
from invdesflow.relaxation.potentials import Device, Potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, failed_relaxation, relax

__all__ = ["Assignment", "serve"]


@dataclass(frozen=True)
class Assignment:
    """What a worker does for all the structures that follow."""

    potential: Potential
    settings: RelaxationSettings
    device: Device


def serve(descriptor: int) -> None:
    """Relax the structures that come through a pipe until it closes.

    Parameters
    ----------
    descriptor
        File descriptor of the worker's end; an `Assignment` comes first, then one structure at a time. Back go None
        when the potential is loaded, or a `PotentialError`, then one `RelaxationResult` for each structure.
    """
    import torch

    torch.set_num_threads(1)
    connection: Connection = Connection(descriptor)
    assignment: Assignment = connection.recv()
    inbox: SimpleQueue[Structure] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    try:
        calculator = load_calculator(assignment.potential, assignment.device)
    except PotentialError as error:
        connection.send(error)
        return
    connection.send(None)
    energy_zero = assignment.potential.energy_zero_ev
    while True:
        structure = inbox.get()
        try:
            result = relax(structure, calculator, assignment.settings, energy_zero=energy_zero)
        except Exception as error:  # noqa: BLE001 - one structure's failure, whatever it is, is its own
            result = failed_relaxation(structure, f"{type(error).__name__}: {error}".partition("\n")[0])
        connection.send(result)


def _receive(connection: "Connection", inbox: "SimpleQueue[Structure]") -> None:
    # The pipe closes when the parent ends, however it ends: then nobody waits for the relaxation in progress.
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)
