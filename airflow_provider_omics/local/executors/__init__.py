"""What carries a run out once the engine has it RUNNING: a simulation, or the workflow itself."""
