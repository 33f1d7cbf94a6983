"""Find the first mistake in JSON files that administrators write."""

from __future__ import annotations

import glob
import json

from host_program.files import read_bytes


def find_fault(root: str, pattern: str) -> str:
    """Return the first mistake in the files of a pattern as FILE:LINE: REASON; empty if all of them are valid.

    Empty and unreadable files are skipped.
    """
    for path in sorted(glob.glob(glob.escape(root) + pattern)):
        content = read_bytes(path)
        if not content or not content.strip():
            continue
        place = path[len(root) :]
        try:
            json.loads(content)
        except json.JSONDecodeError as error:
            return f"{place}:{error.lineno}: {error.msg}"
        except (ValueError, RecursionError) as error:
            return f"{place}: {error}"
    return ""
