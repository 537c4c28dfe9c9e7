"""Forms: send and watch without writing code."""
