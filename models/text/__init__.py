"""Text to rows, CSV and NDJSON, whole or cut into chunks; and results to text."""
