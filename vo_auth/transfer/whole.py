"""What must be true of a file before it gets its name: all of it has come, and it is what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..errors import TransferError
from .digests import digest_of
from .folder import Folder
from .journal import Entry
from .part import DiskError, Part
from .reply import Reply
from .trouble import TransientError
from .unpack import must_unpack, unpack

__all__ = ["DigestError", "complete", "digest_there", "require_end"]

_FITS_START, _FITS_BLOCK = b"SIMPLE  =", 2880  # FITS standard 4.0, section 3.1: a file is a multiple of it


class DigestError(TransferError):
    """What has come has another digest than it should: it is dropped."""


def require_end(headers: Mapping[str, str], reply: Reply, entry: Entry, part: Part) -> Entry:
    """Require that all has come, as far as that can be known; note where it cannot.

    Content without a length that is not chunked ends where the connection does (RFC 9112, section 6.3): it is taken,
    and said to be unproved, as services that make files on the fly send it; not so a FITS file that ends in a block.

    Parameters
    ----------
    headers, reply
        Of the answer.
    entry, part
        What is known, and what has come.

    Raises
    ------
    TransientError
        When some is missing.
    """
    if entry.size is not None:
        if part.size != entry.size:
            raise TransientError(
                f"The connection was closed after {part.size:,} of {entry.size:,} bytes",
                is_the_hosts=True,
            )
        return entry
    if "chunked" in headers.get("Transfer-Encoding", "").lower() and reply.status != 206:
        return entry
    if part.start(len(_FITS_START)) == _FITS_START and part.size % _FITS_BLOCK:
        raise TransientError("The connection was closed in the middle of a FITS block")
    return replace(entry, proved=False)


def complete(folder: Folder, entry: Entry, part: Part, *, given: str, wanted: str, kind: str) -> Entry:
    """Check what has come, unpack it where the server packed it, and give it its name.

    Parameters
    ----------
    folder
        Where it is.
    entry, part
        The file.
    given
        The digest that the archive gave, of what it sent; empty for none.
    wanted
        The digest that the user gave, of the file; empty for none.
    kind
        The algorithm of a digest to compute in any case; empty for none.

    Returns
    -------
    Entry
        As it is in the journal.

    Raises
    ------
    DigestError
        When it is not what it should be.
    TransferError
        When it cannot be unpacked, or the disk does not take it.
    """
    digest = _checked(folder, entry, part, part, given) if given else ""
    whole, unpacked = part, None
    try:
        if must_unpack(entry.coding, entry.name):
            whole = unpacked = folder.beside(entry)
            unpack(part, whole, entry.coding)
            digest = ""
        if wanted and digest != wanted:
            digest = _checked(folder, entry, part, whole, wanted)
        if kind and digest.partition(":")[0] != kind:
            digest = digest_of(whole.path, kind)
        proved = entry.proved or bool(given or wanted)
        done = _finished(folder, replace(entry, digest=digest, proved=proved, coding=""), whole)
    except BaseException:
        if unpacked is not None:
            folder.discard(unpacked)
        raise
    if unpacked is not None:
        folder.discard(part)
    return done


def _finished(folder: Folder, entry: Entry, part: Part) -> Entry:
    try:
        return folder.finish(entry, part)
    except TransferError:  # an OSError, too, as all our errors are
        raise
    except OSError as error:
        raise DiskError(f"{entry.name} cannot get its name: {error.strerror or error}") from None


def _checked(folder: Folder, entry: Entry, part: Part, whole: Part, wanted: str) -> str:
    """Return the digest, if it is the one that is wanted; else drop what has come."""
    found = digest_of(whole.path, wanted.partition(":")[0])
    if found == wanted:
        return found
    folder.forget(entry, part)
    raise DigestError(f"What came of {entry.name} has the digest {found} and not {wanted}: it is dropped")


def digest_there(folder: Folder, kept: Entry, *, wanted: str, kind: str) -> str:
    """Return the digest of a file that is there, as far as one is asked for.

    Parameters
    ----------
    folder, kept
        The file.
    wanted, kind
        As for :func:`complete`.

    Raises
    ------
    TransferError
        When it is not the one that is wanted.
    """
    path, digest = folder.path / kept.name, kept.digest
    if wanted and digest != wanted:
        digest = digest_of(path, wanted.partition(":")[0])
        if digest != wanted:
            raise TransferError(
                f"{kept.name} is there, but its digest is {digest} and not {wanted}: "
                "move it away, and it is fetched again"
            )
    if kind and digest.partition(":")[0] != kind:
        digest = digest_of(path, kind)
    return digest
