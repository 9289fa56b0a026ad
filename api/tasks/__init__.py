"""Long work: tasks that are accepted at once, done in chunks by workers, and asked for later."""
