"""What becomes of predictions: their rows, the truth that people tell, and statistics of both."""
