"""The IVOA vocabulary that ``DatalinkResults.bysemantics`` of pyvo fetches.

pyvo asks ``http://www.ivoa.net/rdf/datalink/core`` for ``application/x-desise+json``, the form that "Vocabularies in
the VO" 2.1, section 3.2, describes. The names of the terms and their order are DataLink's (1.1, section 3.2.6 and the
vocabulary ``datalink/core``); the descriptions are our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .standin import Bench, StandIn

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["HOST", "datalink_core", "standin"]

HOST = "www.ivoa.net"
_PATH = "/rdf/datalink/core"
_MEDIA_TYPE = "application/x-desise+json"

# term: (the wider term, label, description)
_TERMS = {
    "this": ("", "This", "The dataset that was asked for."),
    "progenitor": ("", "Progenitor", "What the dataset was made from."),
    "derivation": ("", "Derivation", "What was made from the dataset."),
    "coderived": ("", "Coderived", "Made from the same progenitors as the dataset."),
    "counterpart": ("", "Counterpart", "Other data of the same target."),
    "auxiliary": ("", "Auxiliary", "Helps in using the dataset."),
    "weight": ("auxiliary", "Weight", "Weights of the dataset's values."),
    "error": ("auxiliary", "Error", "Errors of the dataset's values."),
    "noise": ("auxiliary", "Noise", "Noise of the dataset's values."),
    "calibration": ("", "Calibration", "Calibrates the dataset; not yet applied to it."),
    "bias": ("calibration", "Bias", "Detector offsets."),
    "dark": ("calibration", "Dark", "Detector dark current."),
    "flat": ("calibration", "Flat", "Uneven sensitivity of the detector."),
    "preview": ("", "Preview", "Easily viewed, of low fidelity."),
    "preview-image": ("preview", "Preview image", "The dataset as an image to look at."),
    "preview-plot": ("preview", "Preview plot", "The dataset as a plot."),
    "thumbnail": ("preview", "Thumbnail", "A very small preview."),
    "proc": ("", "Processing", "Processed on the server when it is asked for."),
    "cutout": ("proc", "Cutout", "A part of the dataset."),
    "documentation": ("", "Documentation", "Explains the dataset."),
    "detached-header": ("documentation", "Detached header", "The dataset's metadata in a file of their own."),
    "package": ("", "Package", "The dataset and all that belongs to it, in one file."),
}


def datalink_core() -> dict[str, Any]:
    """Return the vocabulary ``datalink/core`` in its desise form.

    Returns
    -------
    dict
        ``uri``, ``flavour`` and ``terms``; each term with ``label``, ``description``, ``wider`` and ``narrower``.

    Examples
    --------
    >>> datalink_core()["terms"]["calibration"]["narrower"]
    ['bias', 'dark', 'flat']
    """
    return {
        "uri": f"http://{HOST}{_PATH}",
        "flavour": "RDF Property",
        "terms": {name: _term(name, *entry) for name, entry in _TERMS.items()},
    }


def _term(name: str, wider: str, label: str, description: str) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "wider": [wider] if wider else [],
        "narrower": [other for other, entry in _TERMS.items() if entry[0] == name],
    }


def standin() -> StandIn:
    """Return the stand-in for the IVOA's vocabulary server.

    Returns
    -------
    StandIn
    """
    return StandIn(archive="ivoa", hosts=(HOST,), credentials={}, app=_app)


def _app(_bench: Bench) -> web.Application:
    from aiohttp import web

    async def vocabulary(request: web.Request) -> web.Response:
        if _MEDIA_TYPE not in request.headers.get("Accept", "").lower():
            text = f"The sandbox has this vocabulary as {_MEDIA_TYPE} alone: ask for it in Accept.\n"
            return web.Response(status=406, text=text)
        return web.json_response(datalink_core(), content_type=_MEDIA_TYPE)

    app = web.Application()
    app.router.add_get(_PATH, vocabulary)
    return app
