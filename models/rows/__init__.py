"""Rows of a request or a table: checked against a model's signature."""

# Of CSV.
DELIMITERS = (",", ";", "\t", "|")
