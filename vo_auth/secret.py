"""A value that must not be seen."""

from __future__ import annotations

import hmac
import re
from typing import NoReturn

__all__ = ["Secret"]

# Half characters, as an environment variable that is not UTF-8 gives them. Encoding one fails later, somewhere, with an
# error that holds the whole text.
_UNWRITABLE = re.compile(r"[\ud800-\udfff]")


class Secret:
    """Hold a password, token, cookie or key so that it cannot be shown by accident.

    ``repr``, ``str`` and ``format`` are masked, pickling is refused, and ``vars()`` has nothing to show.

    Parameters
    ----------
    value
        The secret text.

    Raises
    ------
    TypeError
        When it is not text.
    ValueError
        When it cannot be written in UTF-8.

    Examples
    --------
    >>> token = Secret("obviously-fake")
    >>> print(token, repr(token), f"{token:>5}")
    *** Secret(***)   ***
    >>> token.reveal()
    'obviously-fake'
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a Secret holds text, not {type(value).__name__}")
        if _UNWRITABLE.search(value):
            raise ValueError("the text is not valid Unicode; is it in another encoding than UTF-8?")
        self.__value = value

    def reveal(self) -> str:
        """Return the text itself: the one way out.

        Returns
        -------
        str
            The secret; keep it out of logs, errors and command lines.
        """
        return self.__value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled; log in again where it is needed")
