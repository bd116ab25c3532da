"""The learning loop: what to calculate next, training sets, retraining, the potential."""
