"""New crystals: substitution, validity gates, duplicates and novelty."""
