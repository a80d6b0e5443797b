"""The page of a cohort in Airflow's web server, from Airflow 3.1 on; nothing of it runs in workers."""
