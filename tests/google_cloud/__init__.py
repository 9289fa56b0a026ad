"""A small Google Cloud on loopback that the real gcloud and the real docker client talk to."""

from tests.google_cloud.cloud import Cloud

__all__ = ["Cloud"]
