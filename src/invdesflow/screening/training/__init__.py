"""Training of the shipped models; nothing here is imported when they are used. Needs the ``train`` extra."""
