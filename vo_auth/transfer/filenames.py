"""File names that servers suggest, made safe: one plain segment, on every platform.

Content-Disposition is RFC 6266, its extended values RFC 8187 (formerly 5987). What Windows cannot have is what
"Naming Files, Paths, and Namespaces" of Microsoft lists.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = ["name_from", "numbered", "safe_name", "suggested"]

_LONGEST = 200  # bytes; file systems take 255, and a number and the end of an unfinished part come behind
_LONGEST_SUFFIX = 20
_PACKED = frozenset({".gz", ".z", ".fz", ".bz2", ".xz", ".zst"})
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(?=\.|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]{0,150}[A-Za-z0-9_+-])?")  # what nothing needs to be done about
_FORBIDDEN = re.compile(r'[<>"|?*]')
# Controls, surrogates, private characters and the marks that turn or hide what is shown (Unicode TR 36).
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.ASCII)
_EXTENSIONS = {
    "application/fits": ".fits",
    "image/fits": ".fits",
    "application/x-votable+xml": ".vot",
    "application/x-tar": ".tar",
    "application/pdf": ".pdf",
    "text/csv": ".csv",
    "image/jpeg": ".jpg",
    "image/png": ".png",
}


def suggested(disposition: str) -> str:
    """Return the file name in a Content-Disposition header, as the server wrote it; empty where there is none.

    Unquoted names with colons are taken, too: archives send them, though they are no tokens of RFC 9110.

    Parameters
    ----------
    disposition
        The header's value.

    Returns
    -------
    str
        Not safe yet.

    Examples
    --------
    >>> suggested("attachment; filename=plain.fits; filename*=UTF-8''na%C3%AFve.fits")
    'naïve.fits'
    """
    found: dict[str, str] = {}
    for name, value in _PARAMETER.findall(f";{disposition.partition(';')[2]}"):
        found.setdefault(name.lower(), value.strip())
    extended = _extended(found.get("filename*", ""))
    if extended:
        return extended
    value = found.get("filename", "")
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return _as_utf8(value)


def _extended(value: str) -> str:
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        return ""
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return ""


def _as_utf8(value: str) -> str:
    """Undo what the HTTP library did to raw bytes: it reads headers as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def name_from(url: str, disposition: str = "", content_type: str = "") -> str:
    """Return the safe name of a file.

    Parameters
    ----------
    url
        Where it was asked for; its last segment is the name where the server suggests none.
    disposition, content_type
        Headers of the answer.

    Returns
    -------
    str
        One segment, never empty.

    Examples
    --------
    >>> name_from("https://archive.example.org/soda/sync?ID=x", content_type="application/fits")
    'sync.fits'
    """
    name = safe_name(suggested(disposition))
    if name:
        return name
    segment = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    name = safe_name(unquote_to_bytes(segment).decode("utf-8", "replace")) or "download"
    if "." not in name:
        name += _EXTENSIONS.get(content_type.partition(";")[0].strip().lower(), "")
    return name


def safe_name(name: str, *, windows: bool = os.name == "nt") -> str:
    r"""Return a suggested name as one plain segment; empty when nothing is left of it.

    Parameters
    ----------
    name
        As a server wrote it.
    windows
        Whether colons must go: elsewhere they stay, as archives have times in their names.

    Returns
    -------
    str
        Without directories, controls, leading dots and dashes, and of a length that file systems take.

    Examples
    --------
    >>> safe_name("../../.ssh/authorized_keys"), safe_name("C:\\temp\\NUL.fits"), safe_name("..")
    ('authorized_keys', '_NUL.fits', '')
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.match(name):
        return name
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    name = "".join(" " if character.isspace() else character for character in name)
    name = "".join(character for character in name if unicodedata.category(character) not in _HIDDEN)
    name = _FORBIDDEN.sub("_", name)
    if windows:
        name = name.replace(":", "_")
    name = name.strip(" ").lstrip(".").strip(" ").rstrip(". ")
    if name[:1] in ("-", "~"):
        name = f"_{name[1:]}"
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name).rstrip(". ")


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST:
        return name
    stem, suffix = _split(name)
    if len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    room = _LONGEST - len(suffix.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + suffix


def _split(name: str) -> tuple[str, str]:
    """Split off the suffix, with the one before it where the last says only how it is packed."""
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in _PACKED:
        stem, inner = os.path.splitext(stem)
        suffix = inner + suffix
    return stem, suffix


def numbered(name: str) -> Iterator[str]:
    """Yield a name, and then the same with numbers before its suffix.

    Parameters
    ----------
    name
        A safe one.

    Yields
    ------
    str
        Without end.

    Examples
    --------
    >>> names = numbered("a.fits.gz")
    >>> next(names), next(names)
    ('a.fits.gz', 'a-1.fits.gz')
    """
    yield name
    stem, suffix = _split(name)
    number = 0
    while True:
        number += 1
        yield f"{stem}-{number}{suffix}"
