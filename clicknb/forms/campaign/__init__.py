"""The form for a campaign."""
