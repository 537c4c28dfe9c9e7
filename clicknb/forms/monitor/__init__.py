"""The form that shows and follows campaigns."""
