"""The generator: a diffusion model of crystals that keeps the space group and the Wyckoff positions."""
