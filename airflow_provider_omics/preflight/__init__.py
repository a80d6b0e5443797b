"""Finding out before anything is submitted what would go wrong later; does without Airflow."""
