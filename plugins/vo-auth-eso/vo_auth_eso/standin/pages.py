"""The HTML pages of the stand-in: the login page, and public pages that are none."""

from __future__ import annotations

from html import escape

from .model import Frame

__all__ = ["EXAMPLES", "LOGIN_MARKER", "header_page", "login_page", "night_log_page", "portal_page"]

#: What every login page of a CAS server has and no other page here: the hidden field of its form.
LOGIN_MARKER = 'name="execution"'


def login_page(service: str = "") -> str:
    """Return the login page of ESO's single sign-on, a CAS server.

    Parameters
    ----------
    service
        Where the login leads to.

    Returns
    -------
    str
        HTML.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Login - CAS - Central Authentication Service</title></head>
<body id="cas">
<h2>ESO User Portal</h2>
<form id="fm1" method="post" action="https://www.eso.org/sso/login">
<input type="hidden" {LOGIN_MARKER} value="sandbox-execution"/>
<input type="hidden" name="_eventId" value="submit"/>
<input type="hidden" name="service" value="{escape(service)}"/>
<label for="username">Username</label> <input id="username" name="username" type="text"/>
<label for="password">Password</label> <input id="password" name="password" type="password"/>
<button name="submit" type="submit">Login</button>
</form>
</body>
</html>
"""


def portal_page() -> str:
    """Return the public start page of the data portal; it leads to the login but is no login page.

    Returns
    -------
    str
        HTML.
    """
    return """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>ESO Data Portal</title></head>
<body>
<h1>Data Portal</h1>
<p>Requests of archive users. <a href="https://www.eso.org/sso/login">Log in</a> with your username and password to
see your own.</p>
</body>
</html>
"""


def night_log_page(frame: Frame) -> str:
    """Return the excerpt of the night log that belongs to a frame.

    Parameters
    ----------
    frame
        A raw frame.

    Returns
    -------
    str
        HTML.
    """
    lines = (
        f"Night log of {frame.night}, {frame.run.instrument.telescope}, {frame.run.instrument.name}",
        f"{frame.start:%H:%M:%S}  OB {frame.block} {frame.target}  run {frame.run.prog_id}",
        f"{frame.start:%H:%M:%S}  exposure {frame.step}: {frame.kind}, {frame.exposure} s, {frame.dp_id}",
        "Comment: the observer had to login again at the console; no time lost.",
        "Grade: A",
    )
    text = escape("\n".join(lines))
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Night log {escape(frame.dp_id)}</title></head>
<body>
<pre>
{text}
</pre>
</body>
</html>
"""


def header_page(frame: Frame, header: str) -> str:
    """Return the page that shows the FITS header of a file.

    Parameters
    ----------
    frame
        The file.
    header
        Its header, one card a line.

    Returns
    -------
    str
        HTML.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(frame.dp_id)}</title></head>
<body>
<pre>
{escape(header, quote=False)}
</pre>
</body>
</html>
"""


#: DALI 1.1, section 2.3: examples that a client can read.
EXAMPLES = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head><title>Examples for tap_obs</title></head>
<body>
<h1>Examples</h1>
<div vocab="http://www.ivoa.net/rdf/examples#">
<div id="run" typeof="example" resource="#run">
<h2 property="name">Two science frames of a run</h2>
<p>Raw frames of one observing run, with the links that download them.</p>
<pre property="query">select top 2 * from dbo.raw where dp_cat = 'SCIENCE' and prog_id = '098.C-0739(C)'</pre>
</div>
<div id="counts" typeof="example" resource="#counts">
<h2 property="name">Frames per instrument</h2>
<p>With your own permissions: log in, and the frames that only you may see are counted too.</p>
<pre property="query">select instrument, count(*) as n from dbo.raw group by instrument order by instrument</pre>
</div>
<div id="cone" typeof="example" resource="#cone">
<h2 property="name">Products around a position</h2>
<p>Processed data near a point on the sky.</p>
<pre property="query">select dp_id, access_url from ivoa.ObsCore
where 1 = contains(point('', s_ra, s_dec), circle('', 10.46, -27.12, 0.5))</pre>
</div>
</div>
</body>
</html>
"""
