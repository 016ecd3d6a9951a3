"""The instruments, runs and users of the stand-in. Runs other than the seed's and all persons are invented."""

from __future__ import annotations

from types import SimpleNamespace

from .model import Instrument, Run, User

__all__ = [
    "COMMISSIONING_RUN",
    "CONFIDENTIAL_RUN",
    "FOREIGN_RUN",
    "HOSTS",
    "INSTRUMENTS",
    "PROPRIETARY_RUN",
    "RUNS",
    "SEED_RUN",
    "USERS",
]

HOSTS = ("www.eso.org", "archive.eso.org", "dataportal.eso.org")

SEED_RUN = "098.C-0739(C)"  # public: the run of ESO's own notebook on authentication
PROPRIETARY_RUN = "118.C-2001(A)"  # metadata public, files for the PI
FOREIGN_RUN = "118.A-3002(B)"  # metadata public, files for a PI who has no account here
CONFIDENTIAL_RUN = "118.D-4004(A)"  # metadata and files for the PI
COMMISSIONING_RUN = "60.A-9700(A)"  # metadata and files for the instrument team

INSTRUMENTS = SimpleNamespace(
    SPHERE=Instrument(
        name="SPHERE", prefix="SPHER", telescope="ESO-VLT-U3", chip="ESO-Hawaii2RG",
        template="SPHERE_irdifs_obs_exp", template_name="IRDIFS exposure", lambda_min=950.0, lambda_max=1650.0,
    ),
    FORS2=Instrument(
        name="FORS2", prefix="FORS2", telescope="ESO-VLT-U1", chip="CCID20-14-5-3",
        template="FORS2_img_obs_crsplit", template_name="Imaging with offsets", lambda_min=330.0, lambda_max=1100.0,
    ),
    MUSE=Instrument(
        name="MUSE", prefix="MUSE", telescope="ESO-VLT-U4", chip="psyche",
        template="MUSE_wfm-ao_obs_genericoffset", template_name="Wide field with offsets",
        lambda_min=465.0, lambda_max=930.0,
    ),
    UVES=Instrument(
        name="UVES", prefix="UVES", telescope="ESO-VLT-U2", chip="EEV CCD-44",
        template="UVES_dic_obs_exp", template_name="Dichroic exposure", lambda_min=300.0, lambda_max=1100.0,
    ),
    HARPS=Instrument(
        name="HARPS", prefix="HARPS", telescope="ESO-3.6", chip="Linda",
        template="HARPS_eggs_obs_all", template_name="High efficiency", lambda_min=378.0, lambda_max=691.0,
    ),
    XSHOOTER=Instrument(
        name="XSHOOTER", prefix="XSHOO", telescope="ESO-VLT-U3", chip="e2v CCD44-82",
        template="XSHOOTER_slt_obs_AutoNodOnSlit", template_name="Nodding along the slit",
        lambda_min=300.0, lambda_max=2480.0,
    ),
    MOONS=Instrument(
        name="MOONS", prefix="MOONS", telescope="ESO-VLT-U1", chip="HAWAII-4RG",
        template="MOONS_gen_tec_Commissioning", template_name="Commissioning", lambda_min=640.0, lambda_max=1800.0,
    ),
)  # fmt: skip

_ALL_RUNS = (
    Run(
        prog_id=SEED_RUN,
        instrument=INSTRUMENTS.SPHERE,
        title="HIGH-CONTRAST IMAGING OF A NEARBY STAR",
        pi_coi="DEMO, PI/ DEMO, COLLEAGUE",
    ),
    Run(
        prog_id="110.A-1101(A)",
        instrument=INSTRUMENTS.FORS2,
        title="A DEEP IMAGE OF A DISTANT CLUSTER",
        pi_coi="DEMO, SOMEBODY",
    ),
    Run(
        prog_id="108.B-1202(A)",
        instrument=INSTRUMENTS.MUSE,
        title="A MAP OF THE GAS IN A GALAXY",
        pi_coi="DEMO, SOMEBODY/ DEMO, COLLEAGUE",
    ),
    Run(
        prog_id="109.D-1303(B)",
        instrument=INSTRUMENTS.UVES,
        title="ABUNDANCES IN OLD STARS",
        pi_coi="DEMO, SOMEBODY",
    ),
    Run(
        prog_id="112.C-1404(C)",
        instrument=INSTRUMENTS.HARPS,
        title="VELOCITIES OF QUIET STARS",
        pi_coi="DEMO, COLLEAGUE",
        kind=3,
    ),
    Run(
        prog_id=PROPRIETARY_RUN,
        instrument=INSTRUMENTS.MUSE,
        title="A FIELD THAT NOBODY ELSE HAS SEEN YET",
        pi_coi="DEMO, PI",
        proprietary=True,
    ),
    Run(
        prog_id=FOREIGN_RUN,
        instrument=INSTRUMENTS.XSHOOTER,
        title="SPECTRA OF SOMEBODY ELSE",
        pi_coi="DEMO, SOMEBODY",
        proprietary=True,
    ),
    Run(
        prog_id=CONFIDENTIAL_RUN,
        instrument=INSTRUMENTS.UVES,
        title="A TARGET THAT MUST NOT BE KNOWN",
        pi_coi="DEMO, PI",
        confidential=True,
    ),
    Run(
        prog_id=COMMISSIONING_RUN,
        instrument=INSTRUMENTS.MOONS,
        title="COMMISSIONING OF A NEW INSTRUMENT",
        pi_coi="DEMO, TEAM",
        kind=6,
        confidential=True,
    ),
    *(
        Run(
            prog_id=prog_id,
            instrument=instrument,
            title="CALIBRATION PLAN",
            pi_coi="OBSERVATORY",
            kind=6,
        )
        for prog_id, instrument in (
            ("60.A-9255(A)", INSTRUMENTS.SPHERE),
            ("60.A-9203(A)", INSTRUMENTS.FORS2),
            ("60.A-9100(C)", INSTRUMENTS.MUSE),
            ("60.A-9022(A)", INSTRUMENTS.UVES),
        )
    ),
)

RUNS = {run.prog_id: run for run in _ALL_RUNS}

# User names are short and alphanumeric, as ESO's user portal demands; the passwords hold what URLs must escape.
USERS = {
    "pi": User(
        username="DEMOPI", password="not-real-pi&+%", runs=frozenset({SEED_RUN, PROPRIETARY_RUN, CONFIDENTIAL_RUN})
    ),
    "team": User(username="DEMOTEAM", password="not-real-tm$@=", instruments=frozenset({"MOONS"})),
    "norights": User(username="DEMONOBODY", password="not-real-nb#?/"),
}
