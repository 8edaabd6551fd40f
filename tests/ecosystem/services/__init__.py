"""Real services, each started for the tests on a free port and stopped afterwards."""
