"""gevent's patches, and its plugins."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from importlib import metadata
from pathlib import Path

read, readings = metadata.entry_points, []
def counted(**which):
    readings.append(which)
    return read(**which)
metadata.entry_points = counted

from django_socketio.concurrency.patching import patch_all
patch_all()
from gevent import monkey
import plugin
print(json.dumps([
    len(readings), metadata.entry_points is counted, monkey.is_module_patched("socket"),
    monkey.is_module_patched("subprocess"), plugin.told,
]))
"""


def test_plugins_of_gevent_are_found_by_one_reading_of_all_metadata(tmp_path):
    (tmp_path / "plugin.py").write_text(
        "told = []\ndef tell(event): told.append(type(event).__name__)"
    )
    info = tmp_path / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[gevent.plugins.monkey.did_patch_all]\ntell = plugin:tell\n"
    )
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, True, True, True, ["GeventDidPatchAllEvent"]]
