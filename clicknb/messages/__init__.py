"""What is said: texts for everybody, their parts, and what is odd about them."""
