"""What the service is: states, failure codes, errors, requests as sans-I/O generators, events, console pages."""
