"""What the gateway allows and remembers, each limit with the source that states it."""

from __future__ import annotations

from datetime import timedelta

MOST_PARTS = 35
"""Message parts of one text, by the archived page on concatenation."""

MOST_RECIPIENTS = 600
"""Numbers in one request, by the archived documentation; the specification of 2009 says 300."""

LIST_SIZE = 300
"""Numbers in one request of the mode "list": what every edition of the documentation allows."""

FARTHEST = timedelta(days=7)
"""How far ahead the gateway takes a time of delivery, ``scheduled_time`` of the specification 2.3.8."""

REMEMBERED = timedelta(days=6)
"""How long a message can be asked about, by the archived SOAP edition of the documentation.

After that the gateway's "not known" says nothing, so that what is in doubt stays so.
"""

DEAREST = 999_999
"""Credits that ``max_credits`` has digits for on the wire."""

USUAL_RATE = 100.0
"""Messages a second, what the documentation names as the usual throughput."""

TOO_MANY_REQUESTS = 429
"""The HTTP status that asks for patience: nothing of the request was accepted, by all that HTTP says of it."""
