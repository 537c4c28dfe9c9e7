"""Gateways that answer for another message than the one that was asked for, and what a ledger may make of that."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import clicknb as cn
from clicknb.sandbox import Gateway, Response, replies
from tests.attack import Recorder, soak

COUNT = soak(40, 200)
OTHERS = [f"447700900{number}" for number in range(900, 900 + 40)]


def ids_of(sms: cn.Account) -> list[str]:
    """List the ids that the gateway gave, as the ledger says."""
    return [entry["apimsgid"].lower() for entry in sms._service.ledger.attempts() if entry["apimsgid"]]


def assert_no_id_twice(sms: cn.Account) -> None:
    assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []


def assert_every_id_is_its_own(sms: cn.Account, gateway: Gateway) -> None:
    """Find no id twice, and each with the message that the gateway gave it."""
    assert_no_id_twice(sms)
    owners = {message.apimsgid: (message.climsgid, message.to) for message in gateway.messages}
    for entry in sms._service.ledger.attempts():
        if entry["apimsgid"]:
            assert owners[entry["apimsgid"].lower()] == (entry["climsgid"], entry["to"])


class Liar(Recorder):
    """A gateway whose answers to one command are changed while it lies."""

    command = "sendmsg"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lies = True

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        """Answer instead, or not."""

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.lies and path.endswith(self.command):
            asked = {name: values[0] for name, values in parse_qs(request["body"].decode()).items()}
            if lie := self.lie(asked, now):
                self.arrived[f"lies {self.command}"] += 1
                return lie
        return super().handle(path, now, **request)

    def honestly(self, asked: dict[str, str], now: datetime) -> Response:
        """Do what was asked for, and answer truthfully."""
        return super().handle(f"/http/{self.command}", now, body=urlencode(asked).encode())


def named(apimsgid: str) -> Response:
    return replies.text(f"ID: {apimsgid}")
