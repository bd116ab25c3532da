"""EPW: maximally localised Wannier functions, electron-phonon coupling on fine meshes, the superconducting gap."""
