"""The parts of ``watching.py``."""
