"""The server: uWSGI, its processes, connections and end."""
