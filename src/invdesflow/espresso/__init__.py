"""Quantum ESPRESSO: pseudopotentials, protocols, inputs, running, error handlers and what the files say."""
