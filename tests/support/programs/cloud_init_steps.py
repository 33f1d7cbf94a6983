"""cloud-init's own steps, each in a process of its own: python cloud_init_steps.py LIBRARY, a line of JSON each way.

The library is Debian's, unpacked; whatever it needs beside that comes from this environment. It is imported once, and
every step is a fork of that state: importing takes ten times as long as a step does.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    """Return one of cloud-init's modules, which has no types and is not installed."""
    return importlib.import_module(f"cloudinit.{name}")


def merge(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what the modules of a first boot get to see: user data and vendor data through their handlers, merged."""
    helpers, handlers, settings = load("helpers"), load("handlers"), load("settings")
    folder = Path(asked["folder"])
    instance = folder / "instances" / "one"
    instance.mkdir(parents=True, exist_ok=True)
    (folder / "instance").symlink_to(instance)

    class DataSource:
        def get_instance_id(self) -> str:
            return "one"

    paths = helpers.Paths({"cloud_dir": str(folder), "run_dir": str(folder)}, ds=DataSource())
    (folder / "instance-data.json").write_text('{"v1": {"local_hostname": "from-jinja"}}')
    (folder / "instance-data-sensitive.json").write_text('{"v1": {"local_hostname": "from-jinja"}}')
    for key, place in (("user", "cloud_config"), ("vendor", "vendor_cloud_config")):
        message = load("user_data").UserDataProcessor(paths).process(base64.b64decode(asked[key]))
        config = load("handlers.cloud_config").CloudConfigPartHandler(paths, cloud_config_path=place)
        jinja = load("handlers.jinja_template").JinjaTemplatePartHandler(paths, sub_handlers=[config])
        known = helpers.ContentHandlers()
        for handler in (config, jinja):
            known.register(handler)
            handlers.call_begin(handler, None, settings.PER_INSTANCE)
        data = {"handlers": known, "handlerdir": str(folder), "data": None, "handlercount": 0, "excluded": []}
        handlers.walk(message, handlers.walker_callback, data=data | {"frequency": settings.PER_INSTANCE})
        for handler in (config, jinja):
            handlers.call_end(handler, None, settings.PER_INSTANCE)
    merged: dict[str, Any] = helpers.ConfigMerger(paths=paths, base_cfg={}).cfg
    return merged


def write_files(asked: dict[str, Any]) -> dict[str, Any]:
    """Write the files of a configuration below a root, the deferred ones last; return what was raised."""
    module, raised = load("config.cc_write_files"), ""
    entries = [entry | {"path": asked["root"] + entry["path"]} for entry in asked["config"].get("write_files", [])]
    for is_deferred in (False, True):
        try:
            module.write_files(
                "write_files", [one for one in entries if one.get("defer", False) is is_deferred], "root"
            )
        except OSError as error:
            raised += str(error)
    return {"raised": raised}


def shellify(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the one script that cloud-init makes of the commands of all parts."""
    return {"script": load("util").shellify(asked["runcmd"])}


def make_mime(asked: dict[str, Any]) -> dict[str, Any]:
    """Return user data as `cloud-init devel make-mime` makes it of some files."""
    module = load("cmd.devel.make_mime")
    arguments = [word for path in asked["files"] for word in ("-a", f"{path}:cloud-config")]
    parsed: argparse.Namespace = module.get_parser().parse_args(arguments)
    message, errors = module.create_mime_message(parsed.files)
    return {"message": str(message), "errors": errors}


def decode(asked: dict[str, Any]) -> dict[str, Any]:
    """Return user data as Hetzner's data source hands it on."""
    module = load("sources.helpers.hetzner")
    decoded: bytes = module.maybe_b64decode(base64.b64decode(asked["data"]))
    return {"data": base64.b64encode(decoded).decode()}


STEPS = {one.__name__: one for one in (merge, write_files, shellify, make_mime, decode)}
# What the steps load.
MODULES = (
    *("cmd.devel.make_mime", "config.cc_write_files", "handlers", "handlers.cloud_config", "handlers.jinja_template"),
    *("helpers", "settings", "sources.helpers.hetzner", "user_data", "util"),
)


def answer(line: str) -> str:
    """Return one step's answer, or the traceback that ended it, as a line of JSON."""
    asked = json.loads(line)
    try:
        return json.dumps({"answer": STEPS[asked["step"]](asked["asked"])})
    except Exception:
        return json.dumps({"raised": traceback.format_exc()})


def serve() -> None:
    """Answer each line of standard input from a fork, until there is no more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # What a module prints must not be taken for the answer.
            output, sys.stdout = sys.stdout, sys.stderr
            print(answer(line), file=output, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"raised": f"the step ended with status {status}"}), flush=True)


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    # cloud-init's own loader is made of this class: the same language, read in a tenth of the time.
    yaml: Any = importlib.import_module("yaml")
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for name in MODULES:
        load(name)
    serve()
