"""The protocols that clients speak to the model: what the gateway answers."""
