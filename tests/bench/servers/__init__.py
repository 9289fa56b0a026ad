"""What is served in each environment of its own; nothing here is imported by the rest."""
