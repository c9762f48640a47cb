"""Where extracts come from: a directory, a file store, a database, a system's own interface."""
