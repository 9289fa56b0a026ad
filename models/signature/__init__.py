"""What a row of a model looks like, read off the fitted estimator and tried."""
