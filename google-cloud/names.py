"""The names of things, which make passes on. Each is a word: no blank, no quote."""

from __future__ import annotations

from os import environ

PROJECT = environ["GCP_PROJECT_ID"]
REGION = environ["GCP_REGION"]
SERVICE = environ["CLOUD_RUN_SERVICE"]
CONFIGURATION = environ["GCP_CONFIG"]  # empty: whoever gcloud is logged in as does everything
REGISTRY = environ["GCP_REGISTRY"]
REPOSITORY = environ["REPOSITORY"]
LOCATION = environ["LOCATION"]  # of the repository
IMAGE = environ["IMAGE"]
LISTED = environ["LISTED"]  # the image by its place, as gcloud artifacts knows it
PUSHED = environ["PUSHED"]  # the image by its registry's host, as docker and Cloud Run know it
DEPLOYER = environ["DEPLOYER"]
RUNTIME = environ["RUNTIME"]
KEY = environ["KEY"]
PATIENCE = int(environ["PATIENCE"])  # how often to try what Google can take minutes to heed
# Added to each command: the project, and the configuration of gcloud to act in.
OPTIONS = environ["OPTIONS"]
# The deployer may not ask which APIs are on, nor which repositories there are.
IS_DEPLOYER = environ["ACTS_AS"] == "deployer"
