"""The names that make passes in the environment. Each is a word, without blanks and quotes.

READ_BUCKETS, WRITE_BUCKETS and READ_SECRETS are lists of words.
"""

from __future__ import annotations

from os import environ

PROJECT = environ["GCP_PROJECT_ID"]
REGION = environ["GCP_REGION"]
SERVICE = environ["CLOUD_RUN_SERVICE"]
CONFIGURATION = environ["GCP_CONFIG"]  # empty: no second configuration
REGISTRY = environ["GCP_REGISTRY"]
REPOSITORY = environ["REPOSITORY"]
LOCATION = environ["LOCATION"]  # of the repository
IMAGE = environ["IMAGE"]
LISTED = environ["LISTED"]  # the image, for gcloud artifacts
PUSHED = environ["PUSHED"]  # the image, for docker and Cloud Run
DEPLOYER = environ["DEPLOYER"]
RUNTIME = environ["RUNTIME"]
KEY = environ["KEY"]
PATIENCE = int(environ["PATIENCE"])  # tries, 5 s apart, until a new role works
# What the service reads, and where it writes feedback.
READ_BUCKETS = environ["READ_BUCKETS"].split()
WRITE_BUCKETS = environ["WRITE_BUCKETS"].split()
READ_SECRETS = environ["READ_SECRETS"].split()
# Options of each command: the project, and the configuration of gcloud.
OPTIONS = environ["OPTIONS"]
# The deployer may not list APIs and repositories.
IS_DEPLOYER = environ["ACTS_AS"] == "deployer"
