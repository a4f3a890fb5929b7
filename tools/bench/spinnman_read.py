"""Reads SDRAM of chip 0,0 with SpiNNMan as it comes and prints one JSON object: {"seconds", "cpuSeconds", "timeouts"}.

  spinnman_read.py CHECKOUTS HOST PORT BYTES pipeline|process

CHECKOUTS holds SpiNNMan, SpiNNUtils and SpiNNMachine, each as a folder whose name ends so. `pipeline` drives SCPRequestPipeLine with window 8
sliding by one, which is what its own processes use; `process` is ReadMemoryProcess, all defaults.
"""
import glob
import json
import os
import sys
import time
import types

CHECKOUTS, HOST, PORT, BYTES, API = sys.argv[1:6]
BASE, BLOCK, TOTAL = 0x60000000, 256, int(BYTES)

sys.dont_write_bytecode = True
for name in ("SpiNNMan", "SpiNNUtils", "SpiNNMachine"):
    found = glob.glob(os.path.join(CHECKOUTS, "*" + name))
    if not found:
        sys.exit(f"no checkout of {name} in {CHECKOUTS}")
    sys.path.insert(0, found[0])
# Only its client of the EBRAINS storage needs this package, which Debian does not carry.
sys.modules.setdefault("ebrains_drive", types.ModuleType("ebrains_drive"))

from spinnman.connections import SCPRequestPipeLine  # noqa: E402
from spinnman.connections.udp_packet_connections import SCAMPConnection  # noqa: E402
from spinnman.messages.scp.impl import ReadMemory  # noqa: E402
from spinnman.processes import FixedConnectionSelector, ReadMemoryProcess  # noqa: E402


def fail(_request, error, _trace, _connection):
    raise error


def read_by_pipeline(connection, into):
    pipeline = SCPRequestPipeLine(connection, n_channels=8, intermediate_channel_waits=7)

    def store(offset):
        def done(reply):
            into[offset:offset + reply.length] = reply.data[reply.offset:]
        return done

    for offset in range(0, TOTAL, BLOCK):
        pipeline.send_request(ReadMemory((0, 0, 0), BASE + offset, min(BLOCK, TOTAL - offset)), store(offset), fail)
    pipeline.finish()
    return pipeline.n_timeouts


def read_by_process(connection):
    process = ReadMemoryProcess(FixedConnectionSelector(connection))
    process.read_memory((0, 0, 0), BASE, TOTAL)
    return sum(pipeline.n_timeouts for pipeline in process._scp_request_pipelines.values())


connection = SCAMPConnection(0, 0, remote_host=HOST, remote_port=int(PORT))
into = memoryview(bytearray(TOTAL))
cpu, started = time.process_time(), time.perf_counter()
timeouts = read_by_pipeline(connection, into) if API == "pipeline" else read_by_process(connection)
print(json.dumps({
    "seconds": time.perf_counter() - started, "cpuSeconds": time.process_time() - cpu, "timeouts": timeouts}))
connection.close()
