"""Workflows and their versions: definitions, states, and where they are looked up."""
