"""CHANGELOG.md: read once, written in the forms of deb, rpm and nfpm, and the source of the one time stamp."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from debian.changelog import Changelog

from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.changelog import (
    Release,
    as_chglog,
    as_debian,
    as_spec,
    for_version,
    read_changelog,
    source_date_epoch,
)

WHO = "Zoë O. <zoe@site.example>"
TEXT = """# Changes

- before any heading

## 1.1.0 - 2026-03-01

- A note that goes on
  in the next line.
- 100 % of %{macros} stay.

## 1.0.0 - 2026-01-31

- First.
"""


@pytest.fixture
def releases(tmp_path: Path) -> tuple[Release, ...]:
    return written(tmp_path, TEXT)


def written(folder: Path, text: str) -> tuple[Release, ...]:
    (folder / "CHANGELOG.md").write_text(text, encoding="utf-8")
    return read_changelog(folder / "CHANGELOG.md")


def test_releases_are_read_with_their_days_and_notes(releases: tuple[Release, ...]) -> None:
    assert [release.version for release in releases] == ["1.1.0", "1.0.0"]
    assert releases[0].day == date(2026, 3, 1)
    assert releases[0].notes == ("A note that goes on in the next line.", "100 % of %{macros} stay.")
    assert releases[0].epoch == 1_772_323_200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# Changes\n", "no heading such as"),
        ("", "no heading such as"),
        ("## 1.0 - 2026-02-30\n", r"CHANGELOG\.md:1: 2026-02-30 is not"),
    ],
)
def test_a_changelog_without_a_release_or_with_a_wrong_day_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BuildError, match=told):
        written(tmp_path, text)


def test_a_changelog_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"/CHANGELOG\.md: No such file or directory"):
        read_changelog(tmp_path / "CHANGELOG.md")


def test_a_site_s_own_version_stands_on_top_with_the_newest_day(releases: tuple[Release, ...]) -> None:
    assert for_version(releases, "1.1.0") == releases
    assert for_version(releases, "1.0.0") == releases[1:]
    site, *rest = for_version(releases, "1.1.0+site1")
    assert (site.version, site.day, tuple(rest)) == ("1.1.0+site1", releases[0].day, releases)


def test_the_time_stamp_is_source_date_epoch_or_the_newest_day(
    releases: tuple[Release, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source_date_epoch(releases) == releases[0].epoch
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "17")
    assert source_date_epoch(releases) == 17


def test_debian_s_own_parser_reads_the_deb_s_changelog(releases: tuple[Release, ...]) -> None:
    read = Changelog(as_debian(releases, package="x", maintainer=WHO), strict=True)
    assert [str(version) for version in read.versions] == ["1.1.0", "1.0.0"]
    assert read.author == WHO
    assert read.date == "Sun, 01 Mar 2026 00:00:00 +0000"


def test_each_entry_of_the_deb_s_changelog_is_younger_than_the_one_below(releases: tuple[Release, ...]) -> None:
    site = for_version(releases, "1.1.0+site1")
    dates = [block.date for block in Changelog(as_debian(site, package="x", maintainer=WHO), strict=True)]
    assert dates[:2] == ["Sun, 01 Mar 2026 00:01:00 +0000", "Sun, 01 Mar 2026 00:00:00 +0000"]


def test_no_percent_sign_is_a_macro_in_the_spec_file(releases: tuple[Release, ...]) -> None:
    text = as_spec(releases, maintainer=WHO, revision="1")
    assert text.startswith(f"* Sun Mar 01 2026 {WHO} - 1.1.0-1\n- A note")
    assert "- 100 %% of %%{macros} stay.\n" in text


def test_nfpm_reads_the_same_entries(releases: tuple[Release, ...]) -> None:
    first, second = json.loads(as_chglog(releases, maintainer=WHO, revision="2"))
    assert first["semver"] == "1.1.0-2"
    assert first["packager"] == WHO
    assert [change["note"] for change in first["changes"]] == list(releases[0].notes)
    assert second["date"].startswith("2026-01-31")
