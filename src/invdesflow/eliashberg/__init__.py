"""The physics of alpha2F: coupling strength, characteristic frequencies and the critical temperature."""
