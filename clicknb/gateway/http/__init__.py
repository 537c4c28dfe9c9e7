"""The plain-text HTTP API: its codes, parameters, replies, sessions and commands."""
