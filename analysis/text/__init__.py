"""Tables and command lines as text."""
