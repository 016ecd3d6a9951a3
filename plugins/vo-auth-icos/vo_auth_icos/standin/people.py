"""Who has an account at the stand-ins; obviously fake."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEOPLE", "Person", "UNIVERSITY_USER"]


@dataclass(frozen=True, slots=True)
class Person:
    """An account.

    Parameters
    ----------
    email
        The user's name at the portal.
    password
        Empty for those who log in through their university, ORCID or another service.
    has_accepted
        Whether the data licence is accepted in the user's profile at the start.
    """

    email: str
    password: str
    has_accepted: bool


UNIVERSITY_USER = "scholar@university.example.org"

PEOPLE = {
    "member": Person("member@example.org", "obviously=fake&icos+member;ü", has_accepted=True),
    "newcomer": Person("newcomer@example.org", "obviously-fake-icos-newcomer", has_accepted=False),
    "scholar": Person(UNIVERSITY_USER, "", has_accepted=True),
}
