"""Deciding when waiting ends, with drivers for workers and for the triggerer."""
