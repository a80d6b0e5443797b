"""The report on a cohort or on runs: one HTML page with figures and SVG pictures; does without Airflow."""
