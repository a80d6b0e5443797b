"""Workflows as code: from a definition's files to a workflow, or a version of one, that is there once."""
