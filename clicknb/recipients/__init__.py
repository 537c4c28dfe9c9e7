"""To whom: tables of people, and what is made of the numbers in them."""
