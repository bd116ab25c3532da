"""Known superconductors: document model, prototypes, the literature catalogue and importers."""
