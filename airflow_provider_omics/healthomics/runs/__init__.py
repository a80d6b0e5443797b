"""One run: its snapshots, how it is polled, cancelled and deleted, and why it failed."""
