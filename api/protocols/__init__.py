"""The families of endpoints, one file for each: its routes and their handlers."""
