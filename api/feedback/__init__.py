"""Feedback on predictions: rows that are kept, truths that people tell, and statistics of both."""
