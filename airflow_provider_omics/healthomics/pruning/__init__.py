"""Pruning of runs and batches: which of them may be deleted, and their deletion."""
