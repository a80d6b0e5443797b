"""The table of a cohort's samples: collected, merged over its batches, judged and written."""
