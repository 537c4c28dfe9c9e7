"""Talks to Clickatell: the wire, transports, sessions and one method for each command."""
