"""Run batches: their states, their counts, and how they submit, cancel and delete runs."""
