"""The folder that downloads go to: names, unfinished parts, finished files, free space. Nothing leaves it."""

from __future__ import annotations

import os
import shutil
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import DownloadError, TransferError
from .filenames import numbered
from .journal import JOURNAL, Entry, Journal
from .part import Part

__all__ = ["Folder"]


class Folder:
    """One folder, for the length of a download.

    Parameters
    ----------
    directory
        Where it is; it is made where it is not there.
    overwrite
        Whether a file that is there may be replaced by one of the same name.
    durable
        Whether a file is brought to the disk itself before it gets its name.

    Raises
    ------
    DownloadError
        When it cannot be made or written to.
    """

    def __init__(self, directory: str | os.PathLike[str], *, overwrite: bool = False, durable: bool = False) -> None:
        path = Path(directory).expanduser()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.path = path.resolve(strict=True)
        except OSError as error:
            raise DownloadError(f"The folder {path} cannot be made: {error.strerror or error}") from None
        self.journal = Journal(self.path)
        self._overwrite = overwrite
        self._durable = durable
        self._guard = threading.Lock()
        self._is_caseless = os.path.lexists(self.path / JOURNAL.upper())
        self._room: dict[str, Callable[[], int]] = {}
        self._owners: dict[str, str] = {}
        for entry in self.journal.entries():
            if entry.state != "gone" and os.path.lexists(self._place(entry)):
                self._owners[self._folded(entry.name)] = entry.url

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    def _place(self, entry: Entry) -> Path:
        return self.path / (entry.name if entry.state == "done" else entry.part)

    def _folded(self, name: str) -> str:
        name = unicodedata.normalize("NFC", name)
        return name.casefold() if self._is_caseless else name

    # ---------------------------------------------------------------- what is there

    def finished(self, url: str) -> Entry | None:
        """Return the entry of a file that is there as it was left; None for any other.

        Parameters
        ----------
        url
            Its digest.
        """
        entry = self.journal.find(url)
        if entry is None or entry.state != "done":
            return None
        try:
            status = os.lstat(self.path / entry.name)
        except OSError:
            return None
        return entry if status.st_size == entry.size else None

    def resume(self, url: str) -> tuple[Entry, Part] | None:
        """Open what is there of an unfinished file; None where there is nothing.

        Raises
        ------
        TransferError
            When another process writes it, or it is no plain file.
        """
        entry = self.journal.find(url)
        if entry is None or entry.state != "part":
            return None
        try:
            return entry, Part(self.path / entry.part, is_new=False)
        except TransferError:  # an OSError, too, as all our errors are
            raise
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TransferError(f"{entry.part} in the folder cannot be opened: {error.strerror or error}") from None

    # ---------------------------------------------------------------- a file from beginning to end

    def begin(self, entry: Entry, name: str) -> tuple[Entry, Part]:
        """Make the part of a new file, and note it.

        Parameters
        ----------
        entry
            What is known of it.
        name
            The safe name that it should have.

        Raises
        ------
        TransferError
            When a file of that name is there and may not be replaced.
        OSError
            When the part cannot be made.
        """
        with self._guard:
            name = self._free_name(entry.url, name)
            part = self._new_part(name)
            self._owners[self._folded(name)] = entry.url
        entry = replace(entry, state="part", name=name, part=part.path.name)
        try:
            self.journal.note(entry)
        except BaseException:
            part.close()
            raise
        return entry, part

    def _free_name(self, url: str, name: str) -> str:
        for candidate in numbered(name):
            if self._owners.get(self._folded(candidate), url) != url:
                continue  # another URL claims it: both are kept
            if self._overwrite or not os.path.lexists(self.path / candidate):
                return candidate
            raise TransferError(
                f"A file {candidate} is there already, and not as this URL left it: "
                "move it away, or replace it with overwrite=True (--overwrite)"
            )
        raise AssertionError("numbers do not end")

    def _new_part(self, name: str) -> Part:
        for ending in _endings():
            try:
                return Part(self.path / f"{name}{ending}", is_new=True)
            except FileExistsError:  # of another program, or of a run whose journal was lost
                continue
        raise AssertionError("numbers do not end")

    def beside(self, entry: Entry) -> Part:
        """Make another part of the same file, for what is unpacked from the first."""
        with self._guard:
            return self._new_part(entry.name)

    def note(self, entry: Entry) -> None:
        """Note what is now known of a file under way."""
        self.journal.note(entry)

    def forget(self, entry: Entry, part: Part) -> None:
        """Remove a part that nothing good can come of."""
        self._remove(part)
        self.journal.note(replace(entry, state="gone"))
        with self._guard:
            self._owners.pop(self._folded(entry.name), None)

    def finish(self, entry: Entry, part: Part) -> Entry:
        """Give a whole part its name, and note it.

        Parameters
        ----------
        entry
            What is known of it.
        part
            The part; it is closed.

        Returns
        -------
        Entry
            As it is in the journal.

        Raises
        ------
        TransferError
            When another file has come in its place meanwhile.
        OSError
            When the name cannot be given.
        """
        size = part.size
        if self._durable:
            part.sync()
        if os.name == "nt":
            part.close()  # an open file cannot be renamed there
        name = self._published(entry, part.path)
        part.close()
        if self._durable:
            _sync_folder(self.path)
        entry = replace(entry, state="done", name=name, part="", size=size)
        self.journal.note(entry)
        self.leave(entry.url)
        return entry

    def _published(self, entry: Entry, part: Path) -> str:
        target = self.path / entry.name
        if self._overwrite:
            os.replace(part, target)
            return entry.name
        if os.path.lexists(target) and os.path.samestat(os.lstat(part), os.lstat(target)):
            part.unlink()  # killed between the two steps below
            return entry.name
        for name in numbered(entry.name):
            if self._owners.get(self._folded(name), entry.url) != entry.url:
                continue
            with suppress(FileExistsError):  # another process was quicker
                _rename_without_replacing(part, self.path / name)
                return name
        raise AssertionError("numbers do not end")

    def _remove(self, part: Part) -> None:
        if os.name == "nt":
            part.close()
        with suppress(FileNotFoundError):
            part.path.unlink()
        part.close()

    def discard(self, part: Part) -> None:
        """Remove a part that is not in the journal."""
        self._remove(part)

    # ---------------------------------------------------------------- free space

    def free(self) -> int:
        """Return the bytes that are free on the file system."""
        return shutil.disk_usage(self.path).free

    def take_room(self, url: str, remaining: Callable[[], int]) -> None:
        """Count on room for a file; what others under way still need is not free.

        Parameters
        ----------
        url
            Its digest.
        remaining
            Returns the bytes that are still to come.

        Raises
        ------
        TransferError
            When there is not enough.
        """
        with self._guard:
            needed, others = remaining(), sum(one() for other, one in self._room.items() if other != url)
            free = self.free() - others
            if needed > free:
                raise TransferError(
                    f"There is no room for it: {needed:,} bytes are to come, {max(free, 0):,} are free in {self.path}"
                )
            self._room[url] = remaining

    def leave(self, url: str) -> None:
        """Count on no more room for a file."""
        with self._guard:
            self._room.pop(url, None)


def _endings() -> Iterator[str]:
    yield ".part"
    number = 0
    while True:
        number += 1
        yield f".part{number}"


def _rename_without_replacing(source: Path, target: Path) -> None:
    """Give a file another name.

    Raises
    ------
    FileExistsError
        When the name is taken.
    """
    if os.name == "nt":
        os.rename(source, target)  # it does not replace there
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError from None
        os.rename(source, target)
    else:
        os.unlink(source)


def _sync_folder(path: Path) -> None:
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
