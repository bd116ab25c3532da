"""What a run needs, looked at before it is begun; each check says how to mend what is missing."""
