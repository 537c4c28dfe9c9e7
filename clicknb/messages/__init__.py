"""What is said, and to whom: message parts, personalised text, recipients."""
