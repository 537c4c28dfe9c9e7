"""From a table of people to a record of what happened."""
