"""The pytest fixture that gives a test its own local HealthOmics server."""
