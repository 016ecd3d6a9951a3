"""``vo-auth wget``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..handoff import Handoff, HandoffError, hand_off
from .arguments import Argument, Grammar, names, refuse_own_headers, refuse_stdin
from .child import Child
from .options import AccountOption, MinLifeOption

__all__ = ["wget"]

_PERMIT = "the permit is what vo-auth adds"
_DIALLED = "the server must be the one that the URL names, and verified"
_LISTS = "wget sends the permit to every host of a list; write the URLs of one origin as arguments"
_MORE = "it leads to other pages and hosts, to which wget sends the permit as well"

GRAMMAR = Grammar(
    program="wget",
    flags=names(
        "-q --quiet -nv --no-verbose -c --continue -N --timestamping -nc --no-clobber -nd --no-directories -x "
        "--force-directories -nH --no-host-directories -S --server-response --spider --content-disposition "
        "--content-on-error --show-progress --retry-connrefused --random-wait --no-use-server-timestamps "
        "--no-if-modified-since --ignore-length -4 --inet4-only -6 --inet6-only --no-dns-cache --unlink "
        "--no-http-keep-alive"
    ),
    valued=names(
        "-O --output-document -P --directory-prefix -o --output-file -a --append-output -t --tries -T --timeout "
        "--dns-timeout --connect-timeout --read-timeout --limit-rate -w --wait --waitretry --progress --start-pos "
        "--cut-dirs --restrict-file-names --default-page --header -U --user-agent --referer "
        "--method --post-data --post-file --body-data --body-file --compression --ca-certificate --ca-directory "
        "--secure-protocol --retry-on-http-error"
    ),
    refused={
        **dict.fromkeys(("--user", "--password", "--http-user", "--http-password", "--ask-password"), _PERMIT),
        **dict.fromkeys(("--use-askpass", "--certificate", "--private-key", "--load-cookies"), _PERMIT),
        **dict.fromkeys(("--auth-no-challenge", "--no-netrc"), _PERMIT),
        **dict.fromkeys(("-i", "--input-file", "--input-metalink", "-B", "--base", "-F", "--force-html"), _LISTS),
        **dict.fromkeys(
            ("-r", "--recursive", "-m", "--mirror", "-p", "--page-requisites", "-H", "--span-hosts"), _MORE
        ),
        "--no-check-certificate": _DIALLED,
        "--max-redirect": "wget sends the permit to wherever a redirect leads",
        "--save-cookies": "cookies of an authenticated answer are secret",
        "--keep-session-cookies": "cookies of an authenticated answer are secret",
        "-d": "it would show the permit",
        "--debug": "it would show the permit",
        "-b": "the permit's file goes when wget ends",
        "--background": "the permit's file goes when wget ends",
        "-e": "it could change what keeps the permit where it is",
        "--execute": "it could change what keeps the permit where it is",
        "--config": "vo-auth gives one already; proxies and authorities of your own one are kept",
        "--no-config": "vo-auth gives one already",
        "--no-proxy": "unset the proxy variables, or set no_proxy",
    },
    joins_values=True,
)

# What is kept of the user's own start-up file: how to reach the network, and whom to trust.
_KEPT = frozenset({"cacertificate", "cadirectory", "crlfile", "useproxy", "httpproxy", "httpsproxy", "noproxy"})


def wget(
    url: Annotated[str, typer.Argument(help="What to fetch.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Arguments of wget, after --.", show_default=False)
    ] = None,
    account: AccountOption = None,
    min_life: MinLifeOption = None,
) -> None:
    """Run wget with the permit for a URL, which its arguments do not show.

    All URLs of a run have one origin; lists and recursion are refused. A
    redirect is an error (wget's 8): wget would carry the permit along. The
    status is wget's; 2 where a run would not be safe.

    Example: vo-auth wget https://dataportal.eso.org/dataPortal/file/ID -- -c
    """
    read = list(GRAMMAR.read(arguments or []))
    for argument in read:
        _check(argument)
    urls = [url, *(argument.value or "" for argument in read if not argument.option)]
    handoff = hand_off(urls, account=account, min_life=min_life)
    words = [word for argument in read if argument.option for word in argument.words]
    with Child() as child:
        certificate = handoff.certificate
        path = child.write("permit.pem", certificate.pem.reveal()) if certificate is not None else ""
        configured = child.write("wgetrc", configuration(handoff, path, _kept()))
        status = child.run(["wget", f"--config={configured}", *words, "--", *handoff.urls])
    raise typer.Exit(status)


def _check(argument: Argument) -> None:
    if argument.option == "--header":
        refuse_own_headers(argument)
    if argument.option in ("--post-file", "--body-file"):
        refuse_stdin("wget", argument)


def configuration(handoff: Handoff, certificate: str, kept: list[str]) -> str:
    """Return wget's start-up file, revealed.

    Parameters
    ----------
    handoff
        The URLs and their permit.
    certificate
        The path of the client certificate; empty for none.
    kept
        Lines of the user's own one.
    """
    lines = [*kept, *(f"header = {_checked(line)}" for line in handoff.headers())]
    lines += [
        "max_redirect = 0",
        "check_certificate = on",
        "cookies = off",
        "hsts = off",
        "netrc = off",
    ]
    if handoff.origin.scheme == "https":
        lines.append("https_only = on")
    elif handoff.origin.is_loopback:
        lines.append("use_proxy = off")  # it would read what stays on this machine
    if certificate:
        lines += [f"certificate = {certificate}", f"private_key = {certificate}"]
    return "\n".join([*lines, ""])


def _checked(line: str) -> str:
    if any(ord(char) < 32 for char in line) or line != line.strip():
        raise HandoffError("the permit has characters that wget's start-up file cannot hold")
    return line


def _kept() -> list[str]:
    """Return the lines of the user's own start-up file about proxies and authorities."""
    path = Path(os.environ.get("WGETRC") or Path.home() / ".wgetrc")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [line for line in lines if _command(line) in _KEPT]


def _command(line: str) -> str:
    return line.partition("=")[0].strip().lower().replace("-", "").replace("_", "")
