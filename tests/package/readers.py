"""Readers of finished packages: what an installer would see, as values that can be compared."""

from __future__ import annotations

import hashlib
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from debian.debfile import DebFile

from consul_docker_host.core.run import run

FIELD, LINE = "\x1f", "\x1e\n"
# One tag a column, one file a line.
RPM_FILE: tuple[str, ...] = ("FILENAMES", "FILEMODES", "FILEUSERNAME", "FILEGROUPNAME", "FILESIZES", "FILEMTIMES")
RPM_FILE += ("FILEDIGESTS", "FILELINKTOS", "FILEFLAGS", "FILEVERIFYFLAGS", "FILELANGS")
RPM_HEADER: tuple[str, ...] = ("NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "OS", "SUMMARY", "DESCRIPTION", "LICENSE")
RPM_HEADER += ("URL", "GROUP", "PACKAGER", "VENDOR", "DISTRIBUTION", "BUILDHOST", "BUILDTIME", "SIZE", "SOURCERPM")
RPM_HEADER += ("PREFIXES", "FILEDIGESTALGO", "PAYLOADCOMPRESSOR")
RPM_SCRIPTS = ("PREIN", "POSTIN", "PREUN", "POSTUN", "PRETRANS", "POSTTRANS")
RPM_RELATIONS = ("REQUIRE", "PROVIDE", "RECOMMEND", "SUGGEST", "CONFLICT", "OBSOLETE", "SUPPLEMENT", "ENHANCE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file or folder of a deb's archive."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    sha256: str
    mtime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """A deb: its files, its control files, and the control file's fields."""

    data: dict[str, Member]
    control: dict[str, Member]
    texts: dict[str, str]
    fields: dict[str, str]


def read_deb(path: Path) -> Deb:
    """Read a deb; the entry of the root folder itself is left out."""
    with DebFile(str(path)) as deb:
        control = deb.control.tgz()
        texts = {name: bytes_of(control, name).decode() for name in names_of(control)}
        return Deb(
            data=members(deb.data.tgz()),
            control=members(control),
            texts=texts,
            fields={key: str(value) for key, value in deb.debcontrol().items()},
        )


def names_of(archive: tarfile.TarFile) -> list[str]:
    return [member.name.removeprefix("./") for member in archive.getmembers() if member.isfile()]


def bytes_of(archive: tarfile.TarFile, name: str) -> bytes:
    for member in archive.getmembers():
        if member.name.removeprefix("./") == name and (file := archive.extractfile(member)):
            return file.read()
    raise KeyError(name)


def members(archive: tarfile.TarFile) -> dict[str, Member]:
    found = {}
    for member in archive.getmembers():
        name = member.name.removeprefix("./").rstrip("/")
        file = archive.extractfile(member) if member.isfile() else None
        if name not in {"", "."}:
            assert name not in found, f"{name} stands twice in the archive"
            found[name] = Member(
                kind=member.type.decode(),
                mode=member.mode,
                owner=(member.uid, member.gid),
                size=member.size,
                sha256=hashlib.sha256(file.read()).hexdigest() if file else "",
                mtime=int(member.mtime),
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpm:
    """An rpm: header, files by path, scripts with what runs them, relations, changelog."""

    header: dict[str, str]
    files: dict[str, dict[str, str]]
    scripts: dict[str, tuple[str, str]]
    relations: dict[str, set[str]]
    changelog: list[str]


def read_rpm(path: Path) -> Rpm:
    """Read an rpm by rpm itself."""
    files = {}
    values = query(path, FIELD.join(f"%{{{tag}}}" for tag in RPM_HEADER)).split(FIELD)
    header = dict(zip(RPM_HEADER, values, strict=True))
    for line in lines_of(path, RPM_FILE):
        row = dict(zip(RPM_FILE, line.split(FIELD), strict=True))
        if stat.S_ISDIR(int(row["FILEMODES"])):
            # A folder's size says nothing: rpmbuild counts none, nfpm a disk block.
            header["SIZE"] = str(int(header["SIZE"]) - int(row["FILESIZES"]))
            row["FILESIZES"] = ""
        files[line.split(FIELD)[0]] = row
    scripts = {tag: query(path, f"%{{{tag}}}{FIELD}%{{{tag}PROG}}").split(FIELD) for tag in RPM_SCRIPTS}
    return Rpm(
        header=header,
        files=files,
        scripts={tag: (text, program) for tag, (text, program) in scripts.items()},
        relations={kind: relations(path, kind) for kind in RPM_RELATIONS},
        changelog=lines_of(path, ("CHANGELOGTIME", "CHANGELOGNAME", "CHANGELOGTEXT")),
    )


def relations(path: Path, kind: str) -> set[str]:
    """Return one kind of relation; rpmbuild's guards (rpmlib) are its own affair, and so is what a script needs."""
    tags = (f"{kind}NAME", f"{kind}FLAGS:depflags", f"{kind}VERSION")
    found = {" ".join(line.replace(FIELD, " ").split()) for line in lines_of(path, tags)}
    return {one for one in found if one != "(none)" and not one.startswith("rpmlib(")}


def lines_of(path: Path, tags: tuple[str, ...]) -> list[str]:
    """Return the values of array tags, a line for each place in them."""
    columns = FIELD.join(f"%{{{tag}}}" for tag in tags)
    return query(path, f"[{columns}{LINE}]").split(LINE)[:-1]


def query(path: Path, form: str) -> str:
    """Ask rpm about a package file."""
    return run(["rpm", "-qp", "--nosignature", "--queryformat", form, str(path)]).stdout
