"""Keep the queries of URLs out of what urllib3 logs while files are fetched: a presigned URL's query is a permit."""

from __future__ import annotations

import contextvars
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["queries_masked"]

_FETCHING: contextvars.ContextVar[bool] = contextvars.ContextVar("vo_auth_fetching", default=False)
_QUERY = re.compile(r"\?[^\s'\"]+")
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "urllib3.poolmanager")


class _MaskQueries(logging.Filter):
    """Replace the query of each URL in a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _FETCHING.get():
            record.msg, record.args, record.exc_info = _QUERY.sub("?…", record.getMessage()), (), None
        return True


@contextmanager
def queries_masked() -> Iterator[None]:
    """Mask queries in urllib3's log records, in this context and in threads that take it over.

    Yields
    ------
    None
        It is for its ``with`` block alone.
    """
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(item, _MaskQueries) for item in logger.filters):
            logger.addFilter(_MaskQueries())
    token = _FETCHING.set(True)
    try:
        yield
    finally:
        _FETCHING.reset(token)
