"""Use and cost of runs: what was reserved and used, and what that comes to; does without Airflow."""
