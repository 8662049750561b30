"""HTTP: the routes, and nothing else."""
