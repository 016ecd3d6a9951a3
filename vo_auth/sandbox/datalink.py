"""DataLink documents: what belongs to one dataset, and the services that can be called on it.

The shape is that of DataLink 1.1 (IVOA REC 2023-12-15); with no DataLink 1.1 column asked for it is also DataLink 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .votable import Column, InputParam, ServiceDescriptor, votable

__all__ = ["DATALINK_TYPE", "Link", "datalink_document", "soda_service"]

#: The content type of a DataLink document.
DATALINK_TYPE = "application/x-votable+xml;content=datalink"

_COLUMNS = (
    Column(name="ID", datatype="char", ucd="meta.id;meta.main", description="Identifier that was asked for"),
    Column(name="access_url", datatype="char", ucd="meta.ref.url", description="Where the linked thing is"),
    Column(name="service_def", datatype="char", ucd="meta.ref", description="ID of a service descriptor"),
    Column(name="error_message", datatype="char", ucd="meta.code.error", description="Why there is no link"),
    Column(name="semantics", datatype="char", ucd="meta.code", description="What the link is to the dataset"),
    Column(name="description", datatype="char", ucd="meta.note", description="The link in plain words"),
    Column(name="content_type", datatype="char", ucd="meta.code.mime", description="Content type of the answer"),
    Column(
        name="content_length", datatype="long", unit="byte", ucd="phys.size;meta.file", description="Size of the answer"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One row of a DataLink document.

    Parameters
    ----------
    ID
        The identifier that was asked for.
    access_url, service_def, error_message
        One of the three is not empty.
    semantics
        A term of the DataLink core vocabulary, or a full URI of another vocabulary.
    description, content_type
        As in the standard.
    content_length
        Bytes, or None where they are not known.
    extra
        Values of the document's extra columns, by name.
    """

    ID: str  # the standard's own spelling of the column
    access_url: str = ""
    service_def: str = ""
    error_message: str = ""
    semantics: str = "#this"
    description: str = ""
    content_type: str = ""
    content_length: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return the values by column name, empty ones as NULL."""
        text = ("access_url", "service_def", "error_message", "semantics", "description", "content_type")
        values = {name: getattr(self, name) or None for name in text}
        return {"ID": self.ID, **values, "content_length": self.content_length, **self.extra}


def datalink_document(
    links: Iterable[Link], *, extra_columns: Sequence[Column] = (), services: Sequence[ServiceDescriptor] = ()
) -> bytes:
    """Write a DataLink document.

    Parameters
    ----------
    links
        Rows; all of one ID must stand together.
    extra_columns
        Columns beside the standard's, filled from :attr:`Link.extra`.
    services
        The descriptors that rows name as ``service_def``.

    Returns
    -------
    bytes
        A VOTable.
    """
    return votable(
        (*_COLUMNS, *extra_columns),
        [link.row() for link in links],
        infos=(("standardID", "ivo://ivoa.net/std/DataLink#links-1.1"),),
        services=services,
    )


def soda_service(
    access_url: str,
    *,
    identifier: str = "soda",
    dataset: str = "",
    id_column: str = "",
    footprint: str = "",
    wavelengths: tuple[float, float] | None = None,
    positions: bool = True,
    content_type: str = "",
    description: str = "",
) -> ServiceDescriptor:
    """Describe a synchronous SODA service (SODA 1.0, section 4) for use in a DataLink document.

    Parameters
    ----------
    access_url
        Where the service is called.
    identifier
        What rows name as ``service_def``.
    dataset
        The fixed value of the service's ``ID`` parameter.
    id_column
        Or the ``ID`` of the column that its values come from.
    footprint
        The dataset's polygon, as longitudes and latitudes in degrees, or an empty string.
    wavelengths
        The range in metres in which a ``BAND`` makes sense, or None where the service has no such parameter.
    positions
        Whether the service has ``CIRCLE`` and ``POLYGON``: not for a spectrum.
    content_type
        What the service answers.
    description
        In plain words.

    Returns
    -------
    ServiceDescriptor
        Ready for ``services``.
    """
    inputs = [InputParam(name="ID", value=dataset, ref=id_column, ucd="meta.id;meta.main", description="The dataset")]
    if positions:
        inputs += [
            InputParam(
                name="CIRCLE",
                datatype="double",
                arraysize="3",
                unit="deg",
                xtype="circle",
                ucd="phys.angArea;obs",
                description="Cut out around a position: longitude, latitude, radius",
            ),
            InputParam(
                name="POLYGON",
                datatype="double",
                unit="deg",
                xtype="polygon",
                ucd="pos.outline;obs",
                maximum=footprint,
                description="Cut out a polygon: longitudes and latitudes in turn",
            ),
        ]
    if wavelengths:
        inputs.append(
            InputParam(
                name="BAND",
                datatype="double",
                arraysize="2",
                unit="m",
                xtype="interval",
                ucd="em.wl;stat.interval",
                minimum=str(wavelengths[0]),
                maximum=str(wavelengths[1]),
                description="Cut out a range of wavelengths in vacuum",
            )
        )
    return ServiceDescriptor(
        identifier=identifier,
        access_url=access_url,
        standard_id="ivo://ivoa.net/std/SODA#sync-1.0",
        content_type=content_type,
        inputs=tuple(inputs),
        description=description,
    )
