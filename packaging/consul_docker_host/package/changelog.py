"""Read CHANGELOG.md, and convert it to the formats of deb and rpm."""

from __future__ import annotations

import json
import os
import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from consul_docker_host.core.errors import BuildError

# gzip and rpm have 32 bits for a time stamp.
LATEST = 2**32 - 1
HEADING = re.compile(r"## (?P<version>[0-9][^ ]*) - (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One released version, its day (UTC) and its notes for users."""

    version: str
    day: date
    notes: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """The release's moment, seconds since 1970: midnight UTC of its day."""
        return int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp())


def read_changelog(path: Path) -> tuple[Release, ...]:
    """Return the releases of CHANGELOG.md, newest first."""
    releases: list[Release] = []
    notes: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    for number, line in enumerate(lines, 1):
        heading = HEADING.fullmatch(line.strip())
        if heading:
            notes = []
            releases.append(
                Release(version=heading["version"], day=_day(heading["date"], f"{path}:{number}"), notes=())
            )
        elif line.startswith("- ") and releases:
            notes.append(line[2:].strip())
        elif line.startswith("  ") and notes:
            notes[-1] = f"{notes[-1]} {line.strip()}"
        if releases:
            releases[-1] = Release(version=releases[-1].version, day=releases[-1].day, notes=tuple(notes))
    if not releases:
        raise BuildError(f"{path}: no heading such as '## 1.0.0 - 2026-01-31'")
    return tuple(releases)


def _day(text: str, position: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BuildError(f"{position}: {text} is not a valid date") from None


def for_version(releases: tuple[Release, ...], version: str) -> tuple[Release, ...]:
    """Return the releases with ``version`` on top; a site's own version gets an entry of the newest one's day."""
    positions = [index for index, release in enumerate(releases) if release.version == version]
    if positions:
        return releases[positions[0] :]
    site = Release(version=version, day=releases[0].day, notes=(f"Site build of {releases[0].version}.",))
    return (site, *releases)


def source_date_epoch(releases: tuple[Release, ...]) -> int:
    """Return the time stamp of every artefact: SOURCE_DATE_EPOCH if it is set, else the newest release's day."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return releases[0].epoch
    if not (given.isascii() and given.isdigit()):
        raise BuildError(f"SOURCE_DATE_EPOCH: {given!r} is not a number of seconds since 1970")
    if len(given) > len(str(LATEST)) or int(given) > LATEST:
        raise BuildError(f"SOURCE_DATE_EPOCH: {given} is beyond {LATEST}, the last second that a package can hold")
    return int(given)


def as_debian(releases: tuple[Release, ...], *, package: str, maintainer: str) -> str:
    """Return debian/changelog's text (deb-changelog(5))."""
    entries = []
    for index, release in enumerate(releases):
        notes = "\n".join(
            textwrap.fill(note, 79, initial_indent="  * ", subsequent_indent="    ") for note in release.notes
        )
        # Each entry must be younger than the one below it, also a site's own version on the day of its release.
        minute = sum(older.day == release.day for older in releases[index + 1 :])
        stamp = release.day.strftime(f"%a, %d %b %Y 00:{minute:02}:00 +0000")
        entries.append(
            f"{package} ({release.version}) unstable; urgency=medium\n\n{notes}\n\n -- {maintainer}  {stamp}\n"
        )
    return "\n".join(entries)


def as_spec(releases: tuple[Release, ...], *, maintainer: str, revision: str) -> str:
    """Return the text of a spec file's changelog section."""
    entries = []
    for release in releases:
        # A percent sign would be a macro to rpmbuild.
        notes = "\n".join(f"- {note}".replace("%", "%%") for note in release.notes)
        day = release.day.strftime("%a %b %d %Y")
        entries.append(f"* {day} {maintainer} - {release.version}-{revision}\n{notes}\n")
    return "\n".join(entries)


def as_chglog(releases: tuple[Release, ...], *, maintainer: str, revision: str) -> str:
    """Return the changelog as nfpm reads it (chglog's YAML, of which JSON is a subset)."""
    return json.dumps(
        [
            {
                "semver": f"{release.version}-{revision}",
                "date": f"{release.day.isoformat()}T12:00:00Z",  # the hour that rpmbuild gives an entry
                "packager": maintainer,
                "changes": [{"note": note} for note in release.notes],
            }
            for release in releases
        ]
    )
