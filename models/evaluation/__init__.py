"""Measure a model on rows whose answers are known, and compare it with another model."""
