"""Campaigns: the flows that cross rooms, and their recipes."""
