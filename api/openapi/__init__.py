"""The service described for programs and people, OpenAPI 3.1, from the model that it serves."""
