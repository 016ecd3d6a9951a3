"""Host names, and which service answers at which of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CREDENTIALS_URL", "HOSTS", "LOGIN_URL", "REGISTRIES", "SERVICES", "Service", "hosts_of"]

_MAIN = "ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca"
_WEB = "www.cadc-ccda.hia-iha.nrc-cnrc.gc.ca"
_ACCESS = "ws-cadc.canfar.net"
_WEST = "cadc-west-01.canfar.net"
_SITES = ("ws-uv.canfar.net", "ws-sf.canfar.net")

HOSTS = (_MAIN, _WEB, _ACCESS, _WEST, *_SITES)
REGISTRIES = (_MAIN, _WEB, _WEST)
LOGIN_URL = f"https://{_ACCESS}/ac/login"
CREDENTIALS_URL = f"https://{_MAIN}/cred/generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as the registry lists it.

    Parameters
    ----------
    identifier
        Its IVOA identifier.
    name
        The first segment of its path.
    hosts
        Where it answers; the registry names the first.
    """

    identifier: str
    name: str
    hosts: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where the registry says that it is."""
        return f"https://{self.hosts[0]}/{self.name}"


SERVICES = (
    Service(identifier="ivo://cadc.nrc.ca/argus", name="argus", hosts=(_MAIN,)),
    Service(identifier="ivo://cadc.nrc.ca/caom2ops", name="caom2ops", hosts=(_MAIN,)),
    Service(identifier="ivo://cadc.nrc.ca/cred", name="cred", hosts=(_MAIN,)),
    Service(identifier="ivo://cadc.nrc.ca/gms", name="ac", hosts=(_ACCESS,)),
    Service(identifier="ivo://cadc.nrc.ca/global/raven", name="raven", hosts=(_WEST,)),
    Service(identifier="ivo://cadc.nrc.ca/uvic/minoc", name="minoc", hosts=_SITES),
)


def hosts_of(name: str) -> tuple[str, ...]:
    """Return the hosts at which a service answers; the registry is one, too."""
    if name == "reg":
        return REGISTRIES
    return next((service.hosts for service in SERVICES if service.name == name), ())
