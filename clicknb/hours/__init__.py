"""When: whose clock counts, and what the rules of a country or a company allow at that time."""
