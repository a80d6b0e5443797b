"""HTTP: which call it is, what its members say, and how the answer is written."""
