"""Interatomic potentials trained here: labelled crystals, DPA models through deepmd-kit, and what they are worth."""
