"""The parts of the shared status watching; :mod:`airflow_provider_omics.healthomics.watch` puts them together."""
