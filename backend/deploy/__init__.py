"""A stage on AWS: `python -m backend.deploy`. Nothing that serves imports this."""
