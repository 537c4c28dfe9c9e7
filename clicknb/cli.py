"""The command line: ``clicknb demo`` and ``clicknb sandbox``."""

from __future__ import annotations

import argparse
import errno
import io
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path

import clicknb as cn
from clicknb.errors import ClicknbError

_INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""

_WELCOME = """
clicknb sandbox: a Clickatell gateway of your own. Nothing leaves this machine.

  address      {url}
  credentials  user={user}  password={password}  api_id={api_id}
  time         {speed:g} times as fast as ours
  credits      {credits:,.12g}

Send a message with curl:

  curl {url}/http/sendmsg -d user={user} -d password={password} -d api_id={api_id} \\
       -d to=447700900123 -d text=Hello

Or from Python:

  import clicknb as cn
  sms = cn.connect(base_url="{url}", user="{user}", password="{password}", api_id="{api_id}")
  sms.send("447700900123", "Hello")

Numbers that force what happens to a message (all of them: {url}/sandbox/numbers):

  27999100114    refused with error 114; any error code in place of 114
  27999200007    ends with status 007; any status in place of 007
  27999300010    delivered 10 minutes later; any number of minutes in five digits
  27999400003    accepted, but the reply is lost; 01 to 13 at the end for other faults

Ctrl-C stops it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        What follows the program's name; that of the process, unless given.

    Returns
    -------
    int
        What the process is to exit with: 0 if all went well.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 shows ? for a letter that it lacks
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    command: Callable[[argparse.Namespace], int] = {"demo": _demo, "sandbox": _sandbox}[chosen.command]
    try:
        return command(chosen)
    except (ClicknbError, OSError) as error:
        print(f"clicknb {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"clicknb {chosen.command}: interrupted. What was sent until then is recorded.", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clicknb", description="SMS campaigns through Clickatell, from a notebook.")
    parser.add_argument("--version", action="version", version=f"clicknb {cn.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    defaults = argparse.ArgumentDefaultsHelpFormatter

    text = "Send to 1,200 invented people through a gateway on this machine."
    demo = commands.add_parser("demo", help=text, description=text, formatter_class=defaults)
    demo.add_argument("--directory", type=Path, default=Path("clicknb-demo"), help="where chart, report and ledger go")

    text = "Serve a gateway of your own until Ctrl-C."
    sandbox = commands.add_parser("sandbox", help=text, description=text, formatter_class=defaults)
    sandbox.add_argument("--port", type=_port, default=8080, help="0 for any free one")
    sandbox.add_argument("--speed", type=_amount, default=1.0, help="seconds at the gateway for each real second")
    sandbox.add_argument("--seed", type=int, default=0, help="what ids, delivery and delays are derived from")
    sandbox.add_argument("--credits", type=_amount, default=1000.0, help="what the account starts with")
    sandbox.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME=SHARE",
        help="what goes wrong, such as 'lost replies=0.01'; may be given several times",
    )
    sandbox.add_argument("--user", default="sandbox", help="who may call")
    sandbox.add_argument("--password", default="sandbox", help="with this password")
    sandbox.add_argument("--api-id", default="1", help="and this API id")
    sandbox.add_argument(
        "--dialect", choices=("classic", "overview"), default="classic", help="how getmsgcharge answers"
    )
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):  # noqa: PLR2004
        message = f"{text} is no port: 0 to 65535"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _amount(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if isfinite(number) and number >= 0:
            return number
    message = f"{text} is no amount: 0 or more"
    raise argparse.ArgumentTypeError(message)


def _fault(text: str) -> tuple[str, float]:
    name, equals, share = text.rpartition("=")
    if not equals:
        message = f"{text} is no fault with its share, such as 'lost replies=0.01'"
        raise argparse.ArgumentTypeError(message)
    return name, _amount(share)


def _demo(chosen: argparse.Namespace) -> int:
    from clicknb import demo

    went_well = demo.run(chosen.directory, say=lambda text: print(text, flush=True))
    return 0 if went_well else 1


def _sandbox(chosen: argparse.Namespace) -> int:
    from clicknb.opening import checked_faults
    from clicknb.simulator import Gateway, serve

    login = {name: getattr(chosen, name) for name in ("user", "password", "api_id")}
    given = {"seed": chosen.seed, "credits": chosen.credits, "dialect": chosen.dialect}
    gateway = Gateway(**given, faults=checked_faults(dict(chosen.fault)), **login)
    over = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: over.set())
    try:
        server = serve(gateway, port=chosen.port, speed=chosen.speed)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"port {chosen.port} is taken. Choose another with --port, or any free one with --port 0."
        raise OSError(message) from None
    with server:
        print(_WELCOME.format(url=server.url, speed=chosen.speed, credits=chosen.credits, **login), flush=True)
        over.wait()
    print(f"Stopped. Messages accepted, and gone now: {len(gateway.messages):,}.")
    return 0
