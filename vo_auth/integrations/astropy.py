"""astropy's cache of downloads: private files in it, each for the account that may have it.

>>> from astropy.io import fits  # doctest: +SKIP
>>> from vo_auth.integrations.astropy import cached_file  # doctest: +SKIP
>>> hdus = fits.open(cached_file("https://dataportal.eso.org/dataPortal/file/ID"))  # doctest: +SKIP

astropy's own ``download_file`` takes headers, and sends them to wherever a redirect leads.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from urllib.parse import quote

from astropy.utils.data import download_file, import_file_to_cache

from ..transfer import Sessions, download

__all__ = ["cached_file"]


def cached_file(
    url: str,
    *,
    account: str | None = None,
    required: bool = True,
    interactive: bool | None = None,
    refresh: bool = False,
    shared: bool = False,
    pkgname: str = "astropy",
) -> str:
    """Return the path of a file in astropy's cache, downloaded with the permit that is due where it is not there.

    astropy's cache knows URLs, not who asked. So what was fetched with a permit is kept under the URL and the account,
    and another account, or none, does not get it from there. What anybody gets is kept under the URL alone.

    Parameters
    ----------
    url
        Where the file is.
    account, required, interactive
        As for :func:`vo_auth.session_for`.
    refresh
        Whether it is downloaded again although it is there.
    shared
        Whether it is kept under the URL alone in any case, so that ``astropy.io.fits.open(url)`` and all else that uses
        astropy's cache find it: whoever works in this cache may then read it.
    pkgname
        As for ``astropy.utils.data.download_file``: whose cache it is.

    Returns
    -------
    str
        The path, as astropy's ``download_file`` gives it.

    Raises
    ------
    DownloadError
        When it cannot be had.
    VoAuthError
        When no permit can be had.
    """
    if not refresh:
        try:
            known = _key(url, "" if shared else _foreseen(url, account))
            return str(download_file(known, cache=True, sources=[], pkgname=pkgname, show_progress=False))
        except KeyError:  # astropy's way to say that it is not there
            pass
    with tempfile.TemporaryDirectory(prefix="vo-auth-") as folder:
        (one,) = download(url, folder, account=account, required=required, interactive=interactive)
        key = _key(url, "" if shared else one.identity)
        return str(import_file_to_cache(key, str(one.path), pkgname=pkgname, remove_original=True))


def _foreseen(url: str, account: str | None) -> str:
    """Return whose permit a download would carry now; nothing is sent."""
    with closing(Sessions(None, account=account, required=False, interactive=False, workers=1)) as sessions:
        return sessions.foresee(url)


def _key(url: str, identity: str) -> str:
    return f"{url.partition('#')[0]}#vo-auth={quote(identity, safe='')}" if identity else url
