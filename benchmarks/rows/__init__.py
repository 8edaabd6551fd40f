"""The rows, one file a family. A file that ORDER does not name comes after those that it names."""

ORDER = (
    "callbacks",
    "timers",
    "tasks",
    "executors",
    "echo",
    "bulk",
    "streams",
    "sockets",
    "datagrams",
    "connections",
    "names",
    "processes",
    "tls",
    "http",
    "memory",
    "startup",
)
