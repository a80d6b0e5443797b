"""Finding the jobs that a task started in earlier tries, runs and batches alike, by name and tags."""
