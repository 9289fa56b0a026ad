"""One file for each family of endpoints, all of them thin transports over one predictor."""
