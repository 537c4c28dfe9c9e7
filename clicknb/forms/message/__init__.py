"""The form for one text to a few numbers."""
