"""HTTP: requests, the dispatcher ahead of Flask, and Flask."""
