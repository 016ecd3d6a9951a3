"""The registry's list of services, and the documents in which they describe themselves (VOSI 1.1).

The security methods are those of the archive's own documents; ``#token`` is a word of the archive's, not of SSO 2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from .places import SERVICES

__all__ = ["CAPABILITIES", "Capability", "capabilities_document", "registry_text"]

_SSO = "ivo://ivoa.net/sso#"
_PERMITS = ("cookie", "tls-with-certificate", "token")
_OPTIONAL = ("", *_PERMITS)
_TAP = """
    <dataModel ivo-id="ivo://ivoa.net/std/ObsCore/v1.1">ObsCore-1.1</dataModel>
    <language>
      <name>ADQL</name>
      <version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>
      <languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-adqlgeo">
        <feature><form>POINT</form></feature>
        <feature><form>CIRCLE</form></feature>
        <feature><form>POLYGON</form></feature>
        <feature><form>CONTAINS</form></feature>
        <feature><form>INTERSECTS</form></feature>
      </languageFeatures>
    </language>
    <outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>
    <outputFormat><mime>text/csv</mime><alias>csv</alias></outputFormat>
    <outputFormat><mime>text/tab-separated-values</mime><alias>tsv</alias></outputFormat>
    <uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>
    <retentionPeriod><default>604800</default><hard>604800</hard></retentionPeriod>
    <executionDuration><default>600</default><hard>600</hard></executionDuration>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One capability of a service.

    Parameters
    ----------
    standard
        Its standard's identifier.
    path
        Below the service; empty for the service itself.
    methods
        Its security methods, as in SSO 2.0; the empty one is for the anonymous. None at all: nothing is said.
    use
        How the access URL is meant.
    inner
        Further XML.
    """

    standard: str
    path: str
    methods: tuple[str, ...] = ()
    use: str = "base"
    inner: str = ""

    def to_xml(self, url: str) -> str:
        """Return the element.

        Parameters
        ----------
        url
            Where the service was asked.

        Returns
        -------
        str
            XML.
        """
        place = escape(f"{url}/{self.path}" if self.path else url)
        methods = "".join(
            f"\n      <securityMethod standardID={quoteattr(_SSO + name)}/>" if name else "\n      <securityMethod/>"
            for name in self.methods
        )
        kind = ' xsi:type="tr:TableAccess"' if self.inner else ""
        return (
            f"  <capability standardID={quoteattr(self.standard)}{kind}>\n"
            f'    <interface xsi:type="vs:ParamHTTP" role="std" version="1.1">\n'
            f'      <accessURL use="{self.use}">{place}</accessURL>{methods}\n'
            f"    </interface>{self.inner}\n  </capability>\n"
        )


_VOSI = (
    Capability(standard="ivo://ivoa.net/std/VOSI#capabilities", path="capabilities", use="full"),
    Capability(standard="ivo://ivoa.net/std/VOSI#availability", path="availability", use="full"),
)
CAPABILITIES = {
    "ac": (
        Capability(standard="ivo://ivoa.net/std/UMS#whoami-0.1", path="whoami", methods=_PERMITS),
        Capability(standard="ivo://ivoa.net/std/GMS#search-1.0", path="search", methods=_PERMITS),
        Capability(standard="ivo://ivoa.net/sso#tls-with-password", path="login"),
        Capability(standard="ivo://ivoa.net/std/UMS#login-0.1", path="login"),
    ),
    "cred": (Capability(standard="ivo://ivoa.net/std/CDP#proxy-1.0", path="generate", methods=(*_PERMITS, "BasicAA")),),
    "argus": (
        Capability(standard="ivo://ivoa.net/std/VOSI#tables-1.1", path="tables", methods=_OPTIONAL),
        Capability(standard="ivo://ivoa.net/std/TAP", path="", methods=_OPTIONAL, inner=_TAP),
    ),
    "caom2ops": (
        Capability(standard="ivo://ivoa.net/std/DataLink#links-1.0", path="datalink", methods=_OPTIONAL),
        Capability(standard="ivo://ivoa.net/std/DataLink#links-1.1", path="datalink", methods=_OPTIONAL),
    ),
    "raven": (Capability(standard="http://www.opencadc.org/std/storage#files-1.0", path="files", methods=_OPTIONAL),),
    "minoc": (Capability(standard="http://www.opencadc.org/std/storage#files-1.0", path="files", methods=_OPTIONAL),),
}


def capabilities_document(url: str, capabilities: Sequence[Capability]) -> str:
    """Describe a service.

    Parameters
    ----------
    url
        Where it was asked: the archive writes the host of the request into its documents.
    capabilities
        What it can do, beside describing itself.

    Returns
    -------
    str
        XML.
    """
    elements = "".join(capability.to_xml(url) for capability in (*_VOSI, *capabilities))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n{elements}</vosi:capabilities>\n'
    )


def registry_text() -> str:
    """Return the registry's list: where each service describes itself."""
    lines = [f"{service.identifier} = {service.url}/capabilities" for service in SERVICES]
    return "\n".join(["# services of the stand-in", *lines, ""])
