"""Lineage of runs and batches: which datasets went in and came out; does without Airflow."""
