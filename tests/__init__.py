"""Tests of the service, the models and the Makefile."""

import os

# Two OpenMP threads that wait busily on a core of which another test has half take ten times as
# long. OpenMP reads this when scikit-learn is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
