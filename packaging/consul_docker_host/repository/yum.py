"""Write dnf's half of the repository: metadata by createrepo_c's library, and the signature of repomd.xml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from consul_docker_host.repository.catalogue import Item
from consul_docker_host.repository.signing import Signer
from consul_docker_host.repository.swap import settle, write_bytes

REPODATA = "repodata"


def write_metadata(folder: Path, items: Sequence[Item], signer: Signer) -> None:
    """Write rpm/CHANNEL/repodata: files named by their checksums, repomd.xml that lists them, and its signature."""
    import createrepo_c  # noqa: PLC0415 - 40 ms that a run without new rpms does not need

    repodata = folder / REPODATA
    repodata.mkdir(parents=True, exist_ok=True)
    repomd = createrepo_c.Repomd()
    kinds = {
        "primary": createrepo_c.PrimaryXmlFile,
        "filelists": createrepo_c.FilelistsXmlFile,
        "other": createrepo_c.OtherXmlFile,
    }
    for number, (kind, xml_file) in enumerate(kinds.items()):
        path = repodata / f"{kind}.xml.gz"
        xml = xml_file(str(path), createrepo_c.GZ_COMPRESSION)
        xml.set_num_of_pkgs(len(items))
        for item in items:
            xml.add_chunk(item.texts[number])
        xml.close()
        record = createrepo_c.RepomdRecord(kind, str(path))
        record.fill(createrepo_c.SHA256)
        record.rename_file()
        repomd.set_record(record)
    text = repomd.xml_dump()
    write_bytes(repodata / "repomd.xml", text.encode())
    write_bytes(repodata / "repomd.xml.asc", signer.signature(text).encode())
    for path in repodata.iterdir():
        settle(path)
