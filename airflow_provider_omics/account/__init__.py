"""Run groups, run caches and configurations: what an account has beside workflows and runs. No Airflow import."""
