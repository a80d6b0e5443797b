"""A task's jobs in HealthOmics: submitted once, found again, cancelled or left; no operator class."""
