"""Who has an account at the stand-in; obviously fake."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEOPLE", "Person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account.

    Parameters
    ----------
    username, password
        As the login takes them.
    distinguished_name
        The subject of the person's certificates, in the archive's canonical form.
    number
        The archive's internal identifier.
    groups
        Groups that the person is a member of.
    is_active
        Whether the account may log in.
    """

    username: str
    password: str
    distinguished_name: str
    number: str
    groups: tuple[str, ...] = ()
    is_active: bool = True


PEOPLE = {
    "pi": Person(
        username="demopi",
        password="obviously-fake=cadc&pi+%41;",
        distinguished_name="cn=demopi_1a2,ou=cadc,o=hia,c=ca",
        number="00000000-0000-0000-0000-0000000001a2",
        groups=("JCMT-M26A-Demo", "Demo-Readers"),
    ),
    "visitor": Person(
        username="demovisitor",
        password="obviously:fake:cadc+ü",  # HTTP Basic ends it at its first colon there
        distinguished_name="cn=demovisitor_3b4,ou=cadc,o=hia,c=ca",
        number="00000000-0000-0000-0000-0000000003b4",
        groups=("Demo-Readers",),
    ),
    "inactive": Person(
        username="demoinactive",
        password="obviously-fake-inactive",
        distinguished_name="cn=demoinactive_5c6,ou=cadc,o=hia,c=ca",
        number="00000000-0000-0000-0000-0000000005c6",
        is_active=False,
    ),
}
