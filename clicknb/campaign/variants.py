"""Who gets which variant of a text: at random, in equal numbers, and the same for good."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


def assign(keys: Iterable[str], names: Sequence[str], *, seed: int, recorded: Mapping[str, str]) -> dict[str, str]:
    """Give every row a variant.

    A row that the campaign has recorded keeps its variant. The others are put in an order that the seed decides and
    dealt to the variants, always to one that has the fewest, so that the numbers differ by one at most. Neither the
    order of the table nor what is in it has a say.

    Parameters
    ----------
    keys
        The rows to send: destination address and its occurrence.
    names
        The variants.
    seed
        Another seed gives another assignment.
    recorded
        Variants of rows that the campaign holds already.

    Examples
    --------
    >>> sorted(assign(["a", "b", "c", "d"], ["A", "B"], seed=1, recorded={}).values())
    ['A', 'A', 'B', 'B']
    """
    wanted = list(keys)
    given = {key: recorded[key] for key in wanted if recorded.get(key) in names}
    counts = Counter(dict.fromkeys(names, 0))
    counts.update(given.values())
    for key in sorted(set(wanted) - set(given), key=lambda key: _lot(seed, key)):
        fewest = min(counts.values())
        level = [name for name in names if counts[name] == fewest]
        given[key] = level[_lot(seed, f"{key} drawn")[0] % len(level)]
        counts[given[key]] += 1
    return given


def _lot(seed: int, key: str) -> bytes:
    return hmac.digest(str(seed).encode(), key.encode(), hashlib.sha256)
