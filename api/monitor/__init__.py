"""What the service tells of itself while it runs: logs, metrics and the access log."""
