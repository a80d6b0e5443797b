"""Runs: their states, their queue, and what an executor may report."""
