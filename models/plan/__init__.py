"""The compiled form of a model: numpy operations that are proven equal to scikit-learn."""
