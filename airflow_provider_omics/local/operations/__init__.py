"""The operations that the server answers: one function each, named in a registry."""
