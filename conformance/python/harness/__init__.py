"""What the tests stand on: a real server, real packages, real clients."""
