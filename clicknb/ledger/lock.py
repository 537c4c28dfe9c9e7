"""One sender per campaign: a lock that the kernel gives back when its holder dies, however it dies.

The lock is ``flock`` on a file beside the ledger; what the file says (host, process, time) is for people to read. A
file that was left behind locks nothing, so it never has to be deleted by hand.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from clicknb.clock import RealClock
from clicknb.errors import CampaignError, LedgerError

if sys.platform == "win32":
    import msvcrt

    def try_to_lock(file: int) -> None:
        """Lock a file at once, or raise ``OSError``."""
        os.lseek(file, 1 << 20, os.SEEK_SET)  # a byte beyond the text, which others may read meanwhile
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def try_to_lock(file: int) -> None:
        """Lock a file at once, or raise ``OSError``."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

MOUNTS = Path("/proc/mounts")
"""Where Linux tells which file systems there are."""

_SHARED = {"9p", "afs", "cifs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"}
"""File systems on which a lock may not be seen from another machine."""

_SYNCHRONISED = {
    ".dropbox": "Dropbox",
    ".nextcloudsync.log": "Nextcloud",
    ".owncloudsync.log": "ownCloud",
    ".stfolder": "Syncthing",
    "dropbox": "Dropbox",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "icloud drive": "iCloud Drive",
    "mobile documents": "iCloud Drive",
    "my drive": "Google Drive",
    "nextcloud": "Nextcloud",
    "onedrive": "OneDrive",
    "owncloud": "ownCloud",
}
"""What a folder is called, or holds, that a program copies to other machines: to which a lock is an ordinary file."""

_OCTAL = re.compile(r"\\([0-7]{3})")
"""How a space is written in the name of a mount."""

_sending_here: dict[tuple[Hashable, str], _Holder] = {}
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who sends: for people to read."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def sending(ledger: Path | Hashable, campaign_id: str, *, takeover: bool = False) -> Iterator[None]:
    """Be the only sender of a campaign until the block ends, or this program.

    Parameters
    ----------
    ledger
        The ledger's file; anything else stands for a ledger in the memory of this program.
    campaign_id
        The campaign to send.
    takeover
        Go on where the file system cannot tell whether another machine is sending: somebody has made sure that none
        is. A sender that is known to be alive is never taken over from.

    Raises
    ------
    CampaignError
        Another sender is at work, or nobody can tell.
    LedgerError
        The lock's file cannot be made.

    Examples
    --------
    >>> with sending("a ledger", "c0ffee"), sending("a ledger", "c0ffee"):
    ...     pass
    Traceback (most recent call last):
    clicknb.errors.CampaignError: This campaign is being sent by process ...
    """
    place = ledger.resolve() if isinstance(ledger, Path) else ledger
    me = _Holder(socket.gethostname(), os.getpid(), RealClock().now().isoformat(sep=" ", timespec="seconds"))
    with _guard:
        holder = _sending_here.setdefault((place, campaign_id), me)
    if holder is not me:
        raise _refusal(holder)
    try:
        with _file_lock(place, campaign_id, me, takeover) if isinstance(place, Path) else contextlib.nullcontext():
            yield
    finally:
        with _guard:
            del _sending_here[place, campaign_id]


@contextmanager
def _file_lock(ledger: Path, campaign_id: str, me: _Holder, takeover: bool) -> Iterator[None]:
    refuse_second_name(ledger)
    if not takeover and (reason := _shared_with_others(ledger.parent)):
        raise _uncertain(reason)
    name = hashlib.sha256(campaign_id.encode()).hexdigest()[:16]
    path = ledger.with_name(f"{ledger.name}-{name}.lock")
    file = _locked(path, takeover)
    if (left := _read(file)) and left.host != me.host and not takeover:
        os.close(file)
        reason = f"was last sent from by {left}, which is another machine and has not noted that it ended"
        raise _uncertain(reason)
    try:
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(asdict(me)).encode())
        yield
        os.ftruncate(file, 0)  # where it stays, it says that nobody sends
    finally:
        if sys.platform != "win32" and _is_at(file, path):  # Windows deletes no open file, so there it stays
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(file)


def _locked(path: Path, takeover: bool) -> int:
    """Open the lock's file and lock it, unless somebody else has."""
    while True:
        file = _opened(path)
        try:
            _lock(file, takeover)
        except CampaignError:
            os.close(file)
            raise
        if _is_at(file, path):
            return file
        os.close(file)  # its holder deleted it before we had it, and another sender may make a new one


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = (
            f"The lock {path} cannot be made: {error.strerror}. Nothing was sent. Make its folder writable, or choose "
            "another place with ledger=."
        )
        raise LedgerError(message) from None


def _lock(file: int, takeover: bool) -> None:
    try:
        try_to_lock(file)
    except OSError as error:
        if error.errno in _TAKEN:
            raise _refusal(_read(file)) from None
        if not takeover:
            reason = f"is on a file system without locks ({error.strerror})"
            raise _uncertain(reason) from error


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _read(file: int) -> _Holder | None:
    """Read who holds a lock; None if it has not been written yet."""
    os.lseek(file, 0, os.SEEK_SET)
    try:
        return _Holder(**json.loads(os.read(file, 1000)))
    except (ValueError, TypeError):
        return None


def _refusal(holder: _Holder | None) -> CampaignError:
    name = holder or "another process"
    return CampaignError(
        f"This campaign is being sent by {name}. Nothing was sent from here, and what that one sends is recorded in "
        "the same ledger. Wait until it has finished, or end it; then call this again. There is no file to delete: "
        "when a sender ends or crashes, its lock is free at once."
    )


def _uncertain(reason: str) -> CampaignError:
    return CampaignError(
        f"Nothing was sent: the ledger {reason}, so nobody can tell whether somewhere else the same campaign is being "
        "sent. Keep the ledger on a disk of this machine (ledger=...). Or make sure that no other program sends this "
        "campaign, and pass takeover=True."
    )


def refuse_second_name(ledger: Path) -> None:
    """Refuse a file that has another name (a hard link): by that, it would have another lock and another log."""
    try:
        names = ledger.stat().st_nlink
    except OSError:  # whoever opens the ledger says so
        return
    if names > 1:
        message = (
            f"Nothing was sent: the file of the ledger {ledger} has {names} names (hard links), so nobody can tell "
            "whether the same campaign is being sent by another of them. What was sent is on record. Delete the other "
            "names (find -samefile finds them), then call this again."
        )
        raise CampaignError(message)


def _shared_with_others(directory: Path) -> str:
    """Say why other machines may have a folder as well, to which a lock here says nothing; empty if none may."""
    if kind := _shared_file_system(directory):
        return f"is on a file system ({kind}) that other machines may write to as well"
    for folder in (directory, *directory.parents):
        found = folder.name.lower().partition(" - ")[0]  # "OneDrive - Company"
        marks = [found, *(mark for mark in _SYNCHRONISED if mark.startswith(".") and (folder / mark).exists())]
        if names := [_SYNCHRONISED[mark] for mark in marks if mark in _SYNCHRONISED]:
            return f"is in a folder that {names[0]} copies to other machines"
    return ""


def _shared_file_system(directory: Path) -> str:
    """Name the type of a directory's file system if other machines may share it; empty if not, or if unknown."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not on Linux
        return ""
    kinds: dict[Path, str] = {}
    for line in lines:
        _, place, kind, *_ = line.split()
        kinds[Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), place))] = kind  # a later mount hides an earlier one
    kind = next((kinds[place] for place in (directory, *directory.parents) if place in kinds), "")
    return kind if kind in _SHARED else ""
