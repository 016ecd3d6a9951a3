"""``vo-auth curl``."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Annotated

import typer

from ..handoff import Handoff, HandoffError, hand_off
from .arguments import Argument, Grammar, names, refuse_own_headers, refuse_stdin
from .child import Child, environ_for_children
from .options import AccountOption, MinLifeOption

__all__ = ["curl"]

_PERMIT = "the permit is what vo-auth adds"
_SHOWN = "it would show the permit"
_DIALLED = "the server must be the one that the URL names, and verified"
_FILES = "what it reads may lead elsewhere; a run of vo-auth curl asks one origin"

GRAMMAR = Grammar(
    program="curl",
    flags=names(
        "-s --silent -S --show-error -f --fail --fail-with-body --fail-early -O --remote-name "
        "--remote-name-all -J --remote-header-name -i --include -I --head -G --get -L --location --compressed "
        "-# --progress-bar --no-progress-meter -N --no-buffer -R --remote-time --create-dirs -4 --ipv4 -6 "
        "--ipv6 -0 --http1.0 --http1.1 --http2 --http2-prior-knowledge -g --globoff --raw --retry-all-errors "
        "--retry-connrefused --remove-on-error --no-clobber -Z --parallel --parallel-immediate --post301 "
        "--post302 --post303 --xattr"
    ),
    valued=names(
        "-o --output --output-dir -r --range -C --continue-at -m --max-time --connect-timeout --retry "
        "--retry-delay --retry-max-time --limit-rate --rate -y --speed-time -Y --speed-limit -X --request -d "
        "--data --data-ascii --data-raw --data-binary --data-urlencode --json -F --form --form-string -T "
        "--upload-file -A --user-agent -w --write-out -D --dump-header -z --time-cond --max-filesize "
        "--etag-save --etag-compare -H --header --url --cacert --capath --max-redirs --stderr --parallel-max "
        "--keepalive-time -x --proxy --noproxy"
    ),
    refused={
        **dict.fromkeys(("-u", "--user", "-n", "--netrc", "--netrc-file", "--netrc-optional", "-E", "--cert"), _PERMIT),
        **dict.fromkeys(("-b", "--cookie", "--key", "--oauth2-bearer", "--anyauth", "--digest", "--basic"), _PERMIT),
        **dict.fromkeys(("-v", "--verbose", "--trace", "--trace-ascii", "--libcurl"), _SHOWN),
        **dict.fromkeys(("-k", "--insecure", "--connect-to", "--resolve", "--unix-socket", "--doh-url"), _DIALLED),
        **dict.fromkeys(("-K", "--config", "-:", "--next"), _FILES),
        "-c": "cookies of an authenticated answer are secret",
        "--cookie-jar": "cookies of an authenticated answer are secret",
        "--location-trusted": "it sends the permit to wherever a redirect leads",
        "-q": "vo-auth gives it already",
    },
)

_STDIN = names("-d --data --data-ascii --data-binary --data-urlencode --json -F --form -T --upload-file -w --write-out")
# Since then headers of one's own stay behind on a redirect to another port or scheme, too (CVE-2022-27774, -27776).
_DROPS_HEADERS = (7, 83)


def curl(
    url: Annotated[str, typer.Argument(help="What to ask.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Arguments of curl, after --.", show_default=False)
    ] = None,
    account: AccountOption = None,
    min_life: MinLifeOption = None,
) -> None:
    """Run curl with the permit for a URL, which its arguments do not show.

    All URLs of a run have one origin. A redirect is an error (curl's 47),
    unless -L is given and safe: where the permit is an Authorization header,
    which curl sends to no other origin. The status is curl's; 2 where a run
    would not be safe.

    Example: vo-auth curl https://dataportal.eso.org/dataPortal/file/ID -- -OJ
    """
    read = list(GRAMMAR.read(arguments or []))
    urls = [url, *(argument.value or "" for argument in read if argument.option in ("", "--url"))]
    options = [argument for argument in read if argument.option not in ("", "--url")]
    _check(options)
    handoff = hand_off(urls, account=account, min_life=min_life)
    follows = any(argument.option in ("-L", "--location") for argument in options)
    if follows:
        _require_safe_redirects(handoff)
    _check_way(handoff, options)
    with Child() as child:
        certificate = handoff.certificate
        path = child.write("permit.pem", certificate.pem.reveal()) if certificate is not None else ""
        words = [word for argument in options if argument.option not in ("-L", "--location") for word in argument.words]
        status = child.run(["curl", "-q", "-K", "-", *words], stdin=configuration(handoff, path, follows=follows))
    raise typer.Exit(status)


def _check(options: list[Argument]) -> None:
    for argument in options:
        if argument.option in ("-H", "--header"):
            refuse_own_headers(argument)
        if argument.option in _STDIN:
            refuse_stdin("curl", argument)
    given = {argument.option for argument in options}
    if "--max-redirs" in given and not given & {"-L", "--location"}:
        raise HandoffError("curl's option --max-redirs has no meaning without -L")


def _check_way(handoff: Handoff, options: list[Argument]) -> None:
    if handoff.origin.scheme == "http" and any(argument.option in ("-x", "--proxy") for argument in options):
        raise HandoffError("a proxy would read a permit that goes by plain http")


def _require_safe_redirects(handoff: Handoff) -> None:
    """Let redirects be followed only where what curl does with the permit is what a session would do."""
    carried = {line.partition(":")[0].lower() for line in handoff.headers()}
    if carried != {"authorization"}:
        raise HandoffError(
            f"-L is refused: the permit for {handoff.archive.title} is no Authorization header, so curl would carry it "
            "along; ask for the place that the redirect names, or use `vo-auth get`"
        )
    if not handoff.may_follow:
        raise HandoffError(
            f"-L is refused: not all of {handoff.origin} gets this permit; ask for the place that the redirect names, "
            "or use `vo-auth get`"
        )
    if curl_version() < _DROPS_HEADERS:
        raise HandoffError("-L is refused: this curl is older than 7.83 and may carry the permit to another port")


def curl_version() -> tuple[int, ...]:
    """Return the version of the curl that would run; (0,) where it cannot be known."""
    program = shutil.which("curl")
    if program is None:
        return (0,)
    done = subprocess.run(  # noqa: S603 (the curl that would run)
        [program, "-q", "--version"],
        env=environ_for_children(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    found = re.match(r"curl (\d+)\.(\d+)", done.stdout)
    return tuple(int(number) for number in found.groups()) if found else (0,)


def configuration(handoff: Handoff, certificate: str, *, follows: bool) -> str:
    """Return what curl reads on its standard input, revealed.

    Parameters
    ----------
    handoff
        The URLs and their permit.
    certificate
        The path of the client certificate; empty for none.
    follows
        Whether redirects are followed.
    """
    scheme = handoff.origin.scheme
    lines = [f"url = {_quoted(url)}" for url in handoff.urls]
    lines += [f"header = {_quoted(line)}" for line in handoff.headers()]
    lines += [f'proto = "={scheme}"', f'proto-redir = "={scheme}"', "globoff", "location"]
    if not follows:
        lines.append("max-redirs = 0")  # an error, where silence would leave an empty file
    if scheme == "http":
        lines.append('noproxy = "*"')
    if certificate:
        lines.append(f"cert = {_quoted(certificate)}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    if any(ord(char) < 32 for char in text):
        raise HandoffError("the permit has control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
