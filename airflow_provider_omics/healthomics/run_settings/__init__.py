"""The settings of the single runs of a batch: read from a list or a file, checked, and kept as one JSON file."""
