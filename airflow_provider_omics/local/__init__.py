"""A local HealthOmics server for development and tests; binds to loopback and checks no credentials."""
