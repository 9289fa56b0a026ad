"""Train a new version of the model in a process of its own, and compare it with the active one.

`python -m models.training` is that process; `supervise.run` starts it, and gives its report.
"""
