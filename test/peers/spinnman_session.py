#!/usr/bin/python3
"""Drives the unmodified SpiNNMan through its normal work on HOST (not 127.0.0.1: SpiNNMan goes virtual there) and prints one JSON line per step.

  spinnman_session.py CHECKOUTS HOST [--version 3|5] [--chips N] [--bmp HOST] [--aplx FILE]

CHECKOUTS holds SpiNNakerManchester+SpiNNMan, +SpiNNMachine and +SpiNNUtils. An unbooted board is booted with SpiNNMan's own image.

Left out is what fails in SpiNNMan itself, before or after anything is on the wire: the answers to power and FPGA writes (its class for them is
abstract), and freeing memory by application (it sends the number of the application as an address, which kills the monitor).
"""
import argparse
import json
import os
import sys
import time
import types

failures = 0


def step(name, function):
    global failures
    try:
        print(json.dumps({"step": name, "ok": True, "saw": str(function())[:200]}), flush=True)
    except Exception as error:  # every step is tried
        failures += 1
        print(json.dumps({"step": name, "ok": False, "saw": "{}: {}".format(type(error).__name__, error)[:400]}), flush=True)


def expect(got, wanted):
    if got != wanted:
        raise AssertionError("got {!r}, wanted {!r}".format(got, wanted))
    return got


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkouts")
    parser.add_argument("host")
    parser.add_argument("--version", type=int, default=5)
    parser.add_argument("--chips", type=int, default=48)
    parser.add_argument("--bmp", help="asks the BMP too")
    parser.add_argument("--boards", type=int, default=1)
    parser.add_argument("--aplx")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    for name in ("SpiNNMan", "SpiNNMachine", "SpiNNUtils"):
        sys.path.insert(0, os.path.join(options.checkouts, "SpiNNakerManchester+" + name))
    sys.modules.setdefault("ebrains_drive", types.ModuleType("ebrains_drive"))

    from spinn_machine import CoreSubsets, CoreSubset, MulticastRoutingEntry, RoutingEntry, Machine
    from spinn_machine.tags import IPTag, ReverseIPTag
    from spinn_utilities.config_holder import set_config
    from spinnman.config_setup import unittest_setup
    from spinnman.data import SpiNNManDataView
    from spinnman.data.spinnman_data_writer import SpiNNManDataWriter
    from spinnman.messages.scp.enums import Signal
    from spinnman.model import DiagnosticFilter, ExecutableTargets  # noqa: F401
    from spinnman.model.bmp_connection_data import BMPConnectionData
    from spinnman.model.enums import DiagnosticFilterPacketType
    from spinnman.model.enums import CPUState
    from spinnman.transceiver import create_transceiver_from_hostname
    # Two methods that the checkout of SpiNNMachine may lack.
    for name in ("add_spinnaker_links", "add_fpga_links"):
        if not hasattr(Machine, name):
            setattr(Machine, name, lambda self: None)

    unittest_setup()
    set_config("Machine", "version", str(options.version))
    writer = SpiNNManDataWriter.mock()
    box = {}

    def connect():
        bmp = BMPConnectionData(options.bmp, range(options.boards), None) if options.bmp else None
        box["t"] = create_transceiver_from_hostname(options.host, bmp_connection_data=bmp, extended=True)
        return box["t"]

    step("connect (boots when needed)", connect)
    if "t" not in box:
        return 1
    t = box["t"]
    writer.set_transceiver(t)

    def machine():
        m = t.get_machine_details()
        writer.set_machine(m)
        return expect(m.n_chips, options.chips)

    step("machine", machine)
    address = t.malloc_sdram(0, 0, 4096, 30, 1)
    for length in (1, 2, 3, 4, 255, 256, 257, 1000):
        for offset in (0, 1, 2, 3):
            data = bytearray((i * 7 + length + offset) & 255 for i in range(length))

            def round_trip():
                t.write_memory(0, 0, address + offset, data)
                return len(expect(bytes(t.read_memory(0, 0, address + offset, length)), bytes(data)))

            step("memory {} bytes at +{}".format(length, offset), round_trip)
    if options.bmp:
        step("bmp version", lambda: t.read_bmp_version(0).version_string)
        step("bmp sensors", lambda: t.read_adc_data(0).voltage_3_3)
        step("bmp fpga register", lambda: expect(t.read_fpga_register(1, 0x40004, 0) & 3, 1))
    step("word", lambda: (t.write_memory(0, 0, address, 0x12345678), expect(t.read_word(0, 0, address), 0x12345678))[1])
    step("allocate many", lambda: expect(len(t.malloc_sdram_multi([(0, 0, 1024, 31, 1), (1, 1, 2048, 31, 2), (0, 1, 4096, 31, 3)])), 3))
    step("allocate again after a lost answer", lambda: expect(t.malloc_sdram(0, 0, 4096, 30, 1), address))
    step("heap", lambda: expect(any(block.app_id == 30 for block in t.get_heap(0, 0) if not block.is_free), True))
    step("free", lambda: t.free_sdram(0, 0, t.malloc_sdram(0, 0, 512, 32)))
    step("led", lambda: t.set_leds(0, 0, 0, {0: 2}))
    step("write across a link", lambda: t.write_neighbour_memory(0, 0, 0, 0x60700000, b"across the link!"))
    step("read across a link", lambda: expect(bytes(t.read_neighbour_memory(0, 0, 0, 0x60700000, 16)), b"across the link!"))
    step("flood of data", lambda: t.write_memory_flood(0x60710000, b"everywhere, now!"))
    step("is everywhere", lambda: [expect(bytes(t.read_memory(x, y, 0x60710000, 16)), b"everywhere, now!") for x, y in ((0, 0), (1, 1))][0])
    step("diagnostic filter", lambda: (
        t.set_router_diagnostic_filter(0, 0, 13, DiagnosticFilter(
            False, False, [], [], [], [], [], [DiagnosticFilterPacketType.MULTICAST])),
        t.get_router_diagnostic_filter(0, 0, 13).packet_types)[1])
    step("cpu infos", lambda: expect(len(list(t.get_cpu_infos(CoreSubsets([CoreSubset(0, 0, range(0, 17))])))), 17))
    step("user register", lambda: (t.write_user(0, 0, 1, _user(0), 77), expect(t.read_user(0, 0, 1, _user(0)), 77))[1])
    step("ip tag", lambda: t.set_ip_tag(IPTag(options.host, 0, 0, 1, "127.0.0.1", 50000)))
    step("reverse ip tag", lambda: t.set_reverse_ip_tag(ReverseIPTag(options.host, 2, 50002, 0, 0, 1, 1)))
    step("tags", lambda: expect({tag.tag for tag in t.get_tags() if tag.tag < 8}, {1, 2}))
    step("clear tag", lambda: t.clear_ip_tag(1))
    routes = [MulticastRoutingEntry(0x1234, 0xFFFF, RoutingEntry(processor_ids=[1], link_ids=[0]))]
    step("load routes", lambda: t.load_multicast_routes(0, 0, routes, 30))
    step("read routes", lambda: expect(len(t.get_multicast_routes(0, 0, 30)), 1))
    step("router diagnostics", lambda: t.get_router_diagnostics(0, 0).mon)
    step("clear counters", lambda: t.clear_router_diagnostic_counters())
    step("clock drift", lambda: t.get_clock_drift(0, 0))
    step("fixed route", lambda: (
        t.load_fixed_route(0, 0, RoutingEntry(processor_ids=[1], link_ids=[2]), 30),
        expect(set(t.read_fixed_route(0, 0, 30).link_ids), {2}))[1])
    step("clear routes", lambda: (t.clear_multicast_routes((0, 0)), expect(len(t.get_multicast_routes(0, 0, 30)), 0))[1])
    step("sync", lambda: t.control_sync(True))
    if options.aplx:
        cores = CoreSubsets([CoreSubset(0, 0, [1, 2, 3]), CoreSubset(1, 1, [5])])
        step("load", lambda: t.execute_flood(cores, options.aplx, 30, wait=True))
        step("ready", lambda: counted(t, 30, CPUState.READY, 4))
        step("start", lambda: t.send_signal(30, Signal.START))
        step("wait for finished", lambda: t.wait_for_cores_to_be_in_state(cores, 30, [CPUState.FINISHED], timeout=10))
        step("iobuf", lambda: [str(b.iobuf) for b in t.get_iobuf(cores)][0])
        step("signals", lambda: [t.send_signal(30, signal) for signal in (
            Signal.SYNC0, Signal.SYNC1, Signal.PAUSE, Signal.CONTINUE, Signal.USER_0, Signal.USER_3)])
        step("stop", lambda: t.stop_application(30))
        step("load a second time", lambda: (
            t.execute_flood(cores, options.aplx, 33, wait=True), counted(t, 33, CPUState.READY, 4))[1])
        step("stop it while it waits", lambda: t.stop_application(33))
        step("none left", lambda: expect(t.get_core_state_count(30, CPUState.FINISHED), 0))
    step("close", t.close)
    SpiNNManDataView  # imported for its side effects on the writer
    print(json.dumps({"step": "end", "ok": failures == 0, "saw": "{} failures".format(failures)}))
    return 1 if failures else 0


def counted(t, app_id, state, wanted):
    """Cores that were loaded take a moment; when an answer was lost they are loaded again."""
    end = time.monotonic() + 3
    while t.get_core_state_count(app_id, state) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return expect(t.get_core_state_count(app_id, state), wanted)


def _user(number):
    from spinnman.model.enums import UserRegister
    return list(UserRegister)[number]


if __name__ == "__main__":
    sys.exit(main())
