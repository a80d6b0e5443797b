"""Plain Python about AWS HealthOmics, in rooms by subject. Imports nothing from Airflow.

A room imports only rooms of the floors below it: ``api``; ``requests``, ``polling``; ``run_settings``, ``runs``,
``discovery``; ``batches``; ``results``, ``watcher``.
"""
