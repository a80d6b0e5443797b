"""Plain Python about AWS HealthOmics: states, failures, requests, waiting. Imports nothing from Airflow."""
