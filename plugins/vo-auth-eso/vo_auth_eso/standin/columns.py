"""The columns of ``dbo.raw``, ``ivoa.ObsCore``, ``ist.apex_quicklooks`` and of the catalogues.

Names and their order are those of the archive as astroquery's recorded answers show them; the units, types and
descriptions follow the archive's own where they are published, and are plain words elsewhere. The catalogues are
invented.
"""

from __future__ import annotations

from vo_auth.sandbox.votable import Column

__all__ = ["CATALOGUE", "OBSCORE", "QUICKLOOK", "RAW"]

# name | datatype | unit | ucd | xtype | description
_RAW = """
access_estsize | long | kbyte | phys.size;meta.file | | Estimated size of the file
access_url | char | | meta.ref.url | | Link that downloads the file
datalink_url | char | | meta.ref.url | | Link to the DataLink service: the file and what belongs to it
date_obs | char | | time.start;obs | | Date and time when the exposure started
dec | double | deg | pos.eq.dec;meta.main | | Declination of the target (J2000)
dec_pnt | double | deg | pos.eq.dec | | Declination of the telescope's pointing
det_chip1id | char | | meta.id;instr.det | | Identifier of the detector's first chip
det_chop_ncycles | int | | | | Number of chopping cycles
det_dit | float | s | time.duration | | Integration time of one read
det_expid | int | | meta.id | | Number of the exposure, as the detector counts
det_ndit | int | | meta.number | | Number of integrations
dp_cat | char | | meta.code.class | | Category: SCIENCE, CALIB, ACQUISITION, TECHNICAL, TEST
dp_id | char | | meta.id;meta.main | | The archive's identifier of the file
dp_tech | char | | meta.code.class | | Observing technique
dp_type | char | | meta.code.class | | Type of the observation
ecl_lat | double | deg | pos.ecliptic.lat | | Ecliptic latitude
ecl_lon | double | deg | pos.ecliptic.lon | | Ecliptic longitude
exp_start | char | | time.start;obs | timestamp | Start of the exposure (UTC)
exposure | float | s | time.duration;obs.exposure | | Exposure time
filter_path | char | | meta.id;instr.filter | | Filters in the light path
gal_lat | double | deg | pos.galactic.lat | | Galactic latitude
gal_lon | double | deg | pos.galactic.lon | | Galactic longitude
grat_path | char | | instr.dispersion | | Gratings in the light path
gris_path | char | | instr.dispersion | | Grisms in the light path
ins_mode | char | | instr.setup | | Mode of the instrument
instrument | char | | meta.id;instr | | Name of the instrument
lambda_max | float | nm | em.wl;stat.max | | Longest wavelength
lambda_min | float | nm | em.wl;stat.min | | Shortest wavelength
last_mod_date | char | | time.processing | timestamp | When the record was last changed
mjd_obs | double | d | time.start;obs | | Start of the exposure as MJD
ob_id | int | | meta.id;obs | | Number of the observation block
ob_name | char | | meta.id;obs | | Name of the observation block
object | char | | meta.id;src | | OBJECT keyword: the target, or the type of a calibration
obs_mode | char | | obs | | v: visitor mode, s: service mode
origfile | char | | meta.file | | Name of the file at the telescope
period | int | | meta.number | | ESO observing period
pi_coi | char | | meta.id.PI | | Principal investigator and co-investigators
prog_id | char | | meta.id;obs.proposal | | Identifier of the observing run
prog_title | char | | meta.title;obs.proposal | | Title of the programme
prog_type | int | | meta.code;obs.proposal | | Type of the programme
ra | double | deg | pos.eq.ra;meta.main | | Right ascension of the target (J2000)
ra_pnt | double | deg | pos.eq.ra | | Right ascension of the telescope's pointing
release_date | char | | time.release | timestamp | When the file becomes public
s_region | char | | pos.outline;obs.field | adql:REGION | Position on the sky as STC-S
slit_path | char | | instr | | Slits in the light path
target | char | | meta.id;src | | Name of the target in the observation block
tel_airm_end | float | | obs.airMass;stat.max | | Airmass at the end
tel_airm_start | float | | obs.airMass;stat.min | | Airmass at the start
tel_alt | float | deg | pos.az.alt | | Altitude at the start
tel_ambi_fwhm_end | float | arcsec | instr.obsty.seeing | | Seeing at the end
tel_ambi_fwhm_start | float | arcsec | instr.obsty.seeing | | Seeing at the start
tel_ambi_pres_end | float | hPa | phys.pressure | | Air pressure at the end
tel_ambi_pres_start | float | hPa | phys.pressure | | Air pressure at the start
tel_ambi_rhum | float | | obs.atmos | | Relative humidity in per cent
tel_az | float | deg | pos.az.azi | | Azimuth at the start
telescope | char | | meta.id;instr.tel | | Name of the telescope
tpl_expno | int | | meta.number | | Number of the exposure in its template
tpl_id | char | | meta.id | | Identifier of the observing template
tpl_name | char | | meta.id | | Name of the observing template
tpl_nexp | int | | meta.number | | Number of exposures of the template
tpl_seqno | int | | meta.number | | Number of the template in its block
tpl_start | char | | time.start | | When the template was started
"""

# name | datatype | unit | ucd | xtype | description | utype
_OBSCORE = """
abmaglim | double | mag | phot.mag;stat.max | | Limiting magnitude (AB), 5 sigma; ESO's own field |
access_estsize | long | kbyte | phys.size;meta.file | | Estimated size of the file | Access.Size
access_format | char | | meta.code.mime | | Format of what access_url answers | Access.Format
access_url | char | | meta.ref.url | | Link to the DataLink service | Access.Reference
bib_reference | char | | meta.bib.bibcode | | Main publication about the data | Curation.Reference
calib_level | int | | meta.code;obs.calib | | Calibration level | ObsDataset.calibLevel
dataproduct_subtype | char | | meta.code.class | | Type within the collection | ObsDataset.dataProductSubtype
dataproduct_type | char | | meta.code.class | | Logical type: image, cube, spectrum, ... | ObsDataset.dataProductType
dp_id | char | | meta.id | | The archive's identifier of the file; ESO's own field |
em_max | double | m | em.wl;stat.max | | Longest wavelength | Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit
em_min | double | m | em.wl;stat.min | | Shortest wavelength | Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit
em_res_power | double | | spect.resolution | | Resolving power | Char.SpectralAxis.Resolution.ResolPower.refVal
em_xel | long | | meta.number | | Number of spectral elements | Char.SpectralAxis.numBins
facility_name | char | | meta.id;instr.tel | | Telescope | Provenance.ObsConfig.Facility.name
filter | char | | meta.id;instr.filter | | Filter; ESO's own field |
gal_lat | double | deg | pos.galactic.lat | | Galactic latitude; ESO's own field |
gal_lon | double | deg | pos.galactic.lon | | Galactic longitude; ESO's own field |
instrument_name | char | | meta.id;instr | | Instrument | Provenance.ObsConfig.Instrument.name
last_mod_date | char | | time.processing | timestamp | When the record was last changed; ESO's own field |
multi_ob | char | | meta.code | | M if made from several observation blocks, else S; ESO's own field |
n_obs | int | | meta.number | | Number of observations; ESO's own field |
o_calib_status | char | | meta.code | | State of the flux calibration | Char.ObservableAxis.calibStatus
o_ucd | char | | meta.ucd | | UCD of what is measured | Char.ObservableAxis.ucd
obs_collection | char | | meta.id | | Name of the data collection | DataID.Collection
obs_creator_did | char | | meta.id | | The creator's identifier of the dataset | DataID.creatorDID
obs_creator_name | char | | meta.id | | Who made the data | DataID.Creator
obs_id | char | | meta.id | | Identifier of the observation | DataID.observationID
obs_publisher_did | char | | meta.ref.ivoid | | The publisher's identifier of the dataset | Curation.PublisherDID
obs_release_date | char | | time.release | timestamp | When the file becomes public | Curation.releaseDate
obs_title | char | | meta.title;obs | | Title | DataID.Title
obstech | char | | meta.code.class | | Observing technique; ESO's own field |
p3orig | char | | meta.id | | Where the product comes from; ESO's own field |
pol_states | char | | meta.code;phys.polarization | | Polarisation states | Char.PolarizationAxis.stateList
pol_xel | long | | meta.number | | Number of polarisation elements | Char.PolarizationAxis.numBins
preview_html | char | | meta.ref.url | | Page that shows the dataset; ESO's own field |
proposal_id | char | | meta.id;obs.proposal | | Identifier of the observing run | Provenance.Proposal.identifier
publication_date | char | | time.release | timestamp | When the product was published; ESO's own field |
release_description | char | | meta.ref.url | | Document that describes the release; ESO's own field |
s_dec | double | deg | pos.eq.dec | | Declination | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2
s_fov | double | deg | phys.angSize;instr.fov | | Field of view | Char.SpatialAxis.Coverage.Bounds.Extent.diameter
s_pixel_scale | double | arcsec | phys.angSize;instr.pixel | | Pixel | Char.SpatialAxis.Sampling.RefVal.SamplingPeriod
s_ra | double | deg | pos.eq.ra | | Right ascension | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1
s_region | char | | pos.outline;obs.field | adql:REGION | Footprint as STC-S | Char.SpatialAxis.Coverage.Support.Area
s_resolution | double | arcsec | pos.angResolution | | Spatial resolution | Char.SpatialAxis.Resolution.refval.value
s_xel1 | long | | meta.number | | Pixels along the first axis | Char.SpatialAxis.numBins1
s_xel2 | long | | meta.number | | Pixels along the second axis | Char.SpatialAxis.numBins2
snr | double | | stat.snr | | Signal to noise ratio; ESO's own field |
strehl | double | | instr | | Strehl ratio; ESO's own field |
t_exptime | double | s | time.duration;obs.exposure | | Exposure time | Char.TimeAxis.Coverage.Support.Extent
t_max | double | d | time.end;obs.exposure | | End as MJD | Char.TimeAxis.Coverage.Bounds.Limits.StopTime
t_min | double | d | time.start;obs.exposure | | Start as MJD | Char.TimeAxis.Coverage.Bounds.Limits.StartTime
t_resolution | double | s | time.resolution | | Resolution in time | Char.TimeAxis.Resolution.Refval.value
t_xel | long | | meta.number | | Number of elements in time | Char.TimeAxis.numBins
target_name | char | | meta.id;src | | Target | Target.Name
"""

# name | datatype | unit | ucd | xtype | description
_QUICKLOOK = """
access_estsize | long | kbyte | phys.size;meta.file | | Estimated size of the file
access_url | char | | meta.ref.url | | Link that downloads the file
instrument | char | | meta.id;instr | | Name of the instrument
instrument_type | char | | meta.code.class | | Type of the instrument
partner | char | | meta.id | | Partner whose time was used
pi_coi | char | | meta.id.PI | | Principal investigator
prog_id | char | | meta.id;obs.proposal | | Identifier of the observing run
prog_title | char | | meta.title;obs.proposal | | Title of the programme
prog_type | char | | meta.code;obs.proposal | | Type of the programme
project_id | char | | meta.id | | Identifier of the project, as APEX writes it
quicklook_id | char | | meta.id;meta.main | | Identifier of the file
release_date | char | | time.release | timestamp | When the file became public
"""

# name | datatype | unit | ucd | xtype | description
_CATALOGUE = """
source_id | char | | meta.id;meta.main | | Name of the source
ra | double | deg | pos.eq.ra;meta.main | | Right ascension (ICRS)
dec | double | deg | pos.eq.dec;meta.main | | Declination (ICRS)
mag | double | mag | phot.mag;em.opt.R | | Magnitude in R
mag_err | double | mag | stat.error;phot.mag;em.opt.R | | Its error
class_star | double | | src.class.starGalaxy | | 1 for a star, 0 for a galaxy
"""


def _columns(table: str, *, indexed: frozenset[str], principal: frozenset[str]) -> tuple[Column, ...]:
    found = []
    for line in table.strip().splitlines():
        name, datatype, unit, ucd, xtype, description, *rest = (part.strip() for part in line.split("|"))
        found.append(
            Column(
                name=name,
                datatype=datatype,
                unit=unit,
                ucd=ucd,
                xtype=xtype,
                description=description,
                utype=rest[0] if rest else "",
                indexed=name in indexed,
                principal=name in principal,
            )
        )
    return tuple(found)


RAW = _columns(
    _RAW,
    indexed=frozenset({"dp_id", "prog_id", "instrument", "mjd_obs"}),
    principal=frozenset({"access_url", "datalink_url", "dp_cat", "dp_id", "instrument", "object", "prog_id"}),
)
OBSCORE = _columns(
    _OBSCORE,
    indexed=frozenset({"dp_id", "obs_publisher_did", "proposal_id"}),
    principal=frozenset({"access_url", "dp_id", "instrument_name", "obs_collection", "s_dec", "s_ra", "target_name"}),
)
QUICKLOOK = _columns(
    _QUICKLOOK,
    indexed=frozenset({"project_id", "quicklook_id"}),
    principal=frozenset({"access_url", "project_id", "quicklook_id"}),
)
CATALOGUE = _columns(
    _CATALOGUE,
    indexed=frozenset({"source_id"}),
    principal=frozenset({"source_id", "ra", "dec", "mag"}),
)
