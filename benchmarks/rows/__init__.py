"""The rows, one file a family. A file that ORDER does not name comes after those that it names."""

ORDER = ("callbacks", "timers", "tasks", "echo", "bulk", "streams", "connections", "names", "http")
