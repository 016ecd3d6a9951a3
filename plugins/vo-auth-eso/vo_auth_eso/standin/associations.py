"""Which calibrations belong to which science frames: what calSelector knows."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from .holdings import frames
from .model import Frame
from .observatory import COMMISSIONING_RUN, CONFIDENTIAL_RUN, PROPRIETARY_RUN, SEED_RUN

__all__ = ["Association", "Cascade", "find_cascade"]

RAW2RAW, RAW2MASTER = "Raw2Raw", "Raw2Master"


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One node of a calibration cascade: files of one kind and what they need in turn.

    Parameters
    ----------
    category
        The rule's name.
    prog_id, role
        Where the files come from.
    children
        The calibrations of these files.
    """

    category: str
    prog_id: str
    role: str
    children: tuple[Association, ...] = ()

    @property
    def files(self) -> tuple[Frame, ...]:
        """The files of this node."""
        return tuple(frame for frame in frames() if (frame.run.prog_id, frame.role) == (self.prog_id, self.role))

    def walk(self) -> tuple[Frame, ...]:
        """Return the files of this node and of all below it, each once."""
        found = dict.fromkeys(self.files)
        for child in self.children:
            found |= dict.fromkeys(child.walk())
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    category: str
    raw: tuple[Association, ...] = ()
    master: tuple[Association, ...] = ()
    certified: bool = True
    messages: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The answer of calSelector about one frame.

    Parameters
    ----------
    frame
        The frame that was asked for.
    category
        Its own category.
    mode
        The mode that was executed: where no processed calibrations exist the raw ones are given, whatever was asked.
    associations
        What the frame needs.
    certified
        Whether the quality of the calibrations has been checked.
    messages
        What the service has to say.
    """

    frame: Frame
    category: str
    mode: str
    associations: tuple[Association, ...]
    certified: bool
    messages: str

    @property
    def complete(self) -> bool:
        """Whether everything was found."""
        return bool(self.associations)

    @property
    def calibrations(self) -> tuple[Frame, ...]:
        """The distinct files of the whole cascade."""
        return tuple(dict.fromkeys(frame for node in self.associations for frame in node.walk()))

    @property
    def siblings(self) -> tuple[Frame, ...]:
        """The other raw science frames of the same observation block and kind."""
        mine = self.frame
        return tuple(
            frame
            for frame in frames(level="raw")
            if frame.block and (frame.run, frame.block, frame.kind) == (mine.run, mine.block, mine.kind)
            if frame != mine
        )

    @property
    def description(self) -> str:
        """What the ``#this`` row says about the cascade: the only place where a fall-back shows."""
        values = {**self._attributes(), "messages": self.messages}
        return " ".join(f'{name}="{value}"' for name, value in values.items())

    def tree(self) -> bytes:
        """Return the association tree in ESO's own XML format."""
        root = ElementTree.Element("association", self._attributes())
        _fill(root, (self.frame,), self.associations, self.messages)
        ElementTree.indent(root, "    ")
        text: str = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()

    def _attributes(self) -> dict[str, str]:
        return {
            "category": self.category,
            "certified": _word(self.certified),
            "complete": _word(self.complete),
            "mode": self.mode,
            "type": "main",
        }


def _fill(
    element: ElementTree.Element, files: tuple[Frame, ...], children: tuple[Association, ...], messages: str
) -> None:
    main = ElementTree.SubElement(element, "mainFiles")
    for frame in files:
        ElementTree.SubElement(main, "file", {"category": frame.role, "name": frame.dp_id})
    ElementTree.SubElement(element, "messages").text = messages or None
    below = ElementTree.SubElement(element, "associatedFiles")
    for child in children:
        attributes = {
            "category": child.category,
            "certified": "true",
            "complete": "true",
            "match": "calib_plan",
            "type": "main",
        }
        _fill(ElementTree.SubElement(below, "association", attributes), child.files, child.children, "")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _sphere() -> tuple[tuple[Association, ...], tuple[Association, ...]]:
    run = "60.A-9255(A)"
    dark = Association(category="IFS_DARK", prog_id=run, role="IFS_DARK_RAW")
    raw = (
        Association(category="IFS_FLAT", prog_id=run, role="IFS_DETECTOR_FLAT_FIELD_RAW", children=(dark,)),
        Association(category="IFS_WAVE", prog_id=run, role="IFS_WAVECALIB_RAW", children=(dark,)),
        dark,
    )
    master = tuple(
        Association(category=role, prog_id=run, role=role)
        for role in ("IFS_MASTER_DARK", "IFS_WAVECALIB", "IFS_MASTER_DFF")
    )
    return raw, master


def _fors2() -> tuple[Association, ...]:
    run = "60.A-9203(A)"
    bias = Association(category="BIAS", prog_id=run, role="BIAS")
    flat = Association(category="FLAT_SKY", prog_id=run, role="SKY_FLAT_IMG", children=(bias,))
    return flat, Association(category="STD_IMA", prog_id=run, role="STANDARD_IMG", children=(flat, bias))


def _plain(run: str, *roles: str) -> tuple[Association, ...]:
    return tuple(Association(category=role, prog_id=run, role=role) for role in roles)


_SPHERE_RAW, _SPHERE_MASTER = _sphere()
_MUSE = _Plan(
    category="WFM_OBJECT",
    raw=_plain("60.A-9100(C)", "FLAT", "ARC"),
    master=_plain("60.A-9100(C)", "MASTER_FLAT"),
)
_UVES = _Plan(
    category="SCI_POINT_BLUE",
    raw=_plain("60.A-9022(A)", "BIAS_BLUE", "ARC_LAMP_BLUE"),
    master=_plain("60.A-9022(A)", "MASTER_BIAS_BLUE"),
)
_PLANS = {
    SEED_RUN: _Plan(category="IFS_SCI", raw=_SPHERE_RAW, master=_SPHERE_MASTER),
    "110.A-1101(A)": _Plan(category="SCI_IMG_2x2_low", raw=_fors2()),  # no processed calibrations: the fall-back
    "108.B-1202(A)": _MUSE,
    PROPRIETARY_RUN: _MUSE,
    "109.D-1303(B)": _UVES,
    CONFIDENTIAL_RUN: _UVES,
    COMMISSIONING_RUN: _Plan(category="COMMISSIONING", raw=_plain(COMMISSIONING_RUN, "FLAT"), certified=False),
}
_NO_PLAN = _Plan(category="UNCLASSIFIED", certified=False, messages="No association rule for this frame")


def find_cascade(frame: Frame, mode: str) -> Cascade:
    """Select the calibrations of a frame.

    Parameters
    ----------
    frame
        A raw frame.
    mode
        ``Raw2Raw`` or ``Raw2Master``.

    Returns
    -------
    Cascade
        Of raw calibrations also where processed ones were asked for and do not exist.
    """
    plan = _PLANS.get(frame.run.prog_id, _NO_PLAN) if frame.category == "SCIENCE" else _NO_PLAN
    masters = mode == RAW2MASTER and plan.master
    category = f"{plan.category}_{frame.kind}" if plan.category == "IFS_SCI" else plan.category
    return Cascade(
        frame=frame,
        category=category,
        mode=RAW2MASTER if masters else RAW2RAW,
        associations=plan.master if masters else plan.raw,
        certified=plan.certified,
        messages=plan.messages,
    )
