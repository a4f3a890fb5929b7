#!/usr/bin/python3
"""Starts the unmodified spalloc server (SpiNNakerManchester/spalloc_server, tag v0.5.2), which drives its BMPs with rig.

  spalloc_server_peer.py CHECKOUT RIG CONFIGURATION

What Debian has no package for, and no test here is about, is put in its place: the watcher of the configuration file.
"""
import os
import sys
import types

from rig_session import import_rig, stand_in

checkout, rig, configuration = sys.argv[1:]


class INotify:
    """Never sees the configuration file change."""

    def __init__(self):
        self.fd, self._other = os.pipe()

    def add_watch(self, path, mask):
        return 1

    def close(self):
        os.close(self.fd)
        os.close(self._other)


names = "MODIFY ATTRIB CLOSE_WRITE MOVED_TO CREATE DELETE DELETE_SELF MOVE_SELF ONESHOT"
stand_in("inotify_simple", INotify=INotify, flags=types.SimpleNamespace(**{name: 1 << bit for bit, name in enumerate(names.split())}))
import_rig(rig)
sys.path.insert(0, checkout)

from spalloc_server.server import main  # noqa: E402

sys.exit(main(["--cold-start", configuration]))
