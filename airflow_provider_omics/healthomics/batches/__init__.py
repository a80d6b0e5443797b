"""One batch and its samples: snapshots, how they are polled, cancelled and deleted."""
