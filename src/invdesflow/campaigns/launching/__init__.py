"""Launching campaigns with FireWorks: the queue in the documents' database, what is put on it, and what runs."""
