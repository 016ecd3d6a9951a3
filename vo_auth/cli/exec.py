"""``vo-auth exec``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..duration import seconds_in
from ..errors import CredentialsNotFoundError
from ..handoff import bare_secret, hand_off, header_lines
from ..lookup import find_with_realm
from ..permit import BasicPermit, Permit
from ..secret import Secret
from .child import Child
from .options import AccountOption, MinLifeOption

__all__ = ["exec_"]

_NAME = "VO_AUTH_EXEC"


def exec_(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.", show_default=False)],
    archive: Annotated[
        str, typer.Option("--archive", help="An archive's name, or the URL that the permit is for.", show_default=False)
    ],
    credentials: Annotated[
        bool, typer.Option("--credentials", help="Hand over user name and password, for a program that logs in itself.")
    ] = False,
    account: AccountOption = None,
    min_life: MinLifeOption = None,
) -> None:
    """Run a command that finds a permit in a file, removed when it ends.

    The variable VO_AUTH_EXEC_FILE has the file's path; {VO_AUTH_EXEC_FILE} in
    an argument becomes it. VO_AUTH_EXEC_HEADER_FILE is one with the whole
    header line, VO_AUTH_EXEC_KIND says what it is: bearer, header, cookie,
    basic or certificate. With --credentials the files are
    VO_AUTH_EXEC_USERNAME_FILE and VO_AUTH_EXEC_PASSWORD_FILE. The command
    decides where it sends what it reads. It does not see the variables that
    hold secrets. The status is the command's.

    Example: vo-auth exec --archive eso -- program --token {VO_AUTH_EXEC_FILE}
    """
    with Child() as child:
        if credentials:
            values = _credentials(archive, account)
            variables = {
                f"{_NAME}_{name.upper()}_FILE": child.write(name, value.reveal()) for name, value in values.items()
            }
        else:
            variables = _handed_over(child, _permit(archive, account, min_life), archive)
        status = child.run([_filled(word, variables) for word in command], environ=variables)
    raise typer.Exit(status)


def _permit(archive: str, account: str | None, min_life: str | None) -> Permit:
    if "://" in archive:
        return hand_off([archive], account=account, min_life=min_life).permit
    from ..wallet import Want, default_wallet

    found, realm = find_with_realm(archive)
    wallet, life = default_wallet(), seconds_in(min_life) if min_life is not None else 0.0
    want = Want(archive=found, account=wallet.account(found, account), realm=realm, min_life=life)
    return wallet.permit(want).grant.permit


def _credentials(archive: str, account: str | None) -> dict[str, Secret]:
    from ..wallet import Want, default_wallet

    found, realm = find_with_realm(archive)
    wallet = default_wallet()
    values = wallet.credentials(Want(archive=found, account=wallet.account(found, account), realm=realm))
    if not {"username", "password"} <= values.keys():
        raise CredentialsNotFoundError(
            f"No source has user name and password for {found.title} without asking: set "
            f"{found.variable_prefix}USERNAME and {found.variable_prefix}PASSWORD_FILE, or store them in the keyring"
        )
    return {name: values[name] for name in ("username", "password")}


def _handed_over(child: Child, permit: Permit, archive: str) -> dict[str, str]:
    """Write what a program may want to read, and return the variables that say where."""
    variables = {f"{_NAME}_KIND": permit.kind, f"{_NAME}_FILE": child.write("permit", bare_secret(permit))}
    lines = header_lines(permit, archive)
    if lines:
        variables[f"{_NAME}_HEADER_FILE"] = child.write("header", "".join(f"{line}\n" for line in lines))
    if isinstance(permit, BasicPermit):
        variables[f"{_NAME}_USERNAME_FILE"] = child.write("username", permit.username)
        variables[f"{_NAME}_PASSWORD_FILE"] = child.write("password", permit.password.reveal())
    return variables


def _filled(word: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        word = word.replace(f"{{{name}}}", value)
    return word
