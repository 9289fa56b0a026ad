"""A model as a wheel: a Python package that answers rows, and a command."""
