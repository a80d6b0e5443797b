"""Building and checking what is sent: requests, the places and parameters in them, the identity of a job."""
