"""What is on record: every message, each attempt, and each status seen, in a file that outlives programs."""
