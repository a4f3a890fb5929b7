#!/usr/bin/env python3
"""Makes the databases that tests read in place of the tool chain's: fixtures/tool-chain/{5,7}.sqlite3.

  tools/tool-chain-database.py [FOLDER]

Tables and columns are those of SpiNNFrontEndCommon 5.1 and 7.4 (utilities/database/db.sql), as far as live connections use them. Two boards, a
gatherer on each, populations "exc" (150 atoms on two cores) and "inh" (20), and "stimulus", into which events can be sent.
"""
import os
import sqlite3
import sys

BOARDS = [((0, 0), "127.79.200.1"), ((4, 8), "127.79.200.2")]
#: label, machine vertices: chip, core, first key, first atom, atoms
POPULATIONS = [
    ("exc", [((0, 0), 1, 0x800, 0, 100), ((4, 8), 1, 0x04080800, 100, 50)]),
    ("inh", [((4, 8), 2, 0x04081000, 0, 20)]),
    ("stimulus", [((0, 0), 2, 0x1000, 0, 10)]),
]
GATHERERS = [("gatherer on 0,0", (0, 0), 3), ("gatherer on 4,8", (4, 8), 3)]

SHARED = """
CREATE TABLE configuration_parameters(parameter_id TEXT, value REAL, PRIMARY KEY (parameter_id));
CREATE TABLE Machine_layout(machine_id INTEGER PRIMARY KEY AUTOINCREMENT, x_dimension INTEGER, y_dimension INTEGER);
CREATE TABLE Machine_chip(no_processors INTEGER, chip_x INTEGER, chip_y INTEGER, machine_id INTEGER, ip_address INTEGER,
    nearest_ethernet_x INTEGER, nearest_ethernet_y INTEGER, PRIMARY KEY (chip_x, chip_y, machine_id),
    FOREIGN KEY (machine_id) REFERENCES Machine_layout(machine_id));
CREATE TABLE Application_vertices(vertex_id INTEGER PRIMARY KEY AUTOINCREMENT, vertex_label TEXT);
CREATE TABLE Machine_vertices(vertex_id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT);
CREATE TABLE graph_mapper_vertex(application_vertex_id INTEGER, machine_vertex_id INTEGER,
    PRIMARY KEY (application_vertex_id, machine_vertex_id));
CREATE TABLE Placements(vertex_id INTEGER PRIMARY KEY, machine_id INTEGER, chip_x INTEGER, chip_y INTEGER, chip_p INTEGER);
-- one row for each vertex that sends through a tag
CREATE TABLE IP_tags(vertex_id INTEGER, tag INTEGER, board_address TEXT, ip_address TEXT, port INTEGER, strip_sdp BOOLEAN,
    PRIMARY KEY (vertex_id, tag, board_address, ip_address, port, strip_sdp));
CREATE TABLE event_to_atom_mapping(vertex_id INTEGER, atom_id INTEGER, event_id INTEGER PRIMARY KEY);
"""
NEW = """
CREATE TABLE proxy_configuration(kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE m_vertex_to_lpg_vertex(pre_vertex_id INTEGER, partition_id TEXT, post_vertex_id INTEGER,
    PRIMARY KEY (pre_vertex_id, partition_id, post_vertex_id) FOREIGN KEY (pre_vertex_id) REFERENCES Machine_vertices(vertex_id));
CREATE VIEW label_event_atom_view AS SELECT k.atom_id AS atom, k.event_id AS event, a.vertex_label AS label
    FROM event_to_atom_mapping AS k JOIN graph_mapper_vertex AS m ON k.vertex_id == m.machine_vertex_id
    JOIN Application_vertices AS a ON m.application_vertex_id == a.vertex_id;
"""
OLD = """
CREATE TABLE Application_edges(edge_id INTEGER PRIMARY KEY AUTOINCREMENT, pre_vertex INTEGER, post_vertex INTEGER, edge_label TEXT);
CREATE TABLE Reverse_IP_tags(vertex_id INTEGER PRIMARY KEY, tag INTEGER, board_address TEXT, port INTEGER);
CREATE VIEW label_event_atom_view AS SELECT k.atom_id AS atom, k.event_id AS event, a.vertex_label AS label
    FROM event_to_atom_mapping AS k NATURAL JOIN Application_vertices AS a;
"""


def make(path, is_new):
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path)
    # Small pages: trees of several levels, and a row that goes on in other pages.
    db.execute("PRAGMA page_size = 512")
    db.executescript(SHARED + (NEW if is_new else OLD))
    parameters = dict(machine_time_step=1000, time_scale_factor=1, infinite_run="False", runtime=5000, app_id=30)
    db.executemany("INSERT INTO configuration_parameters VALUES (?, ?)", parameters.items())
    db.execute("INSERT INTO Machine_layout(x_dimension, y_dimension) VALUES (12, 12)")
    for chip, address in BOARDS:
        db.execute("INSERT INTO Machine_chip VALUES (18, ?, ?, 1, ?, ?, ?)", (*chip, address, *chip))
        db.execute("INSERT INTO Machine_chip VALUES (18, ?, ?, 1, NULL, ?, ?)", (chip[0] + 1, chip[1], *chip))

    def vertex(label):
        return db.execute("INSERT INTO Machine_vertices(label) VALUES (?)", (label,)).lastrowid

    def place(m, chip, core):
        db.execute("INSERT INTO Placements VALUES (?, 1, ?, ?, ?)", (m, *chip, core))

    gatherers = {}
    for label, chip, core in GATHERERS:
        m = gatherers[chip] = vertex(label)
        place(m, chip, core)
        db.execute("INSERT INTO IP_tags VALUES (?, 1, ?, '127.0.0.1', 0, 1)", (m, dict(BOARDS)[chip]))
    if not is_new:
        a = db.execute("INSERT INTO Application_vertices(vertex_label) VALUES ('gatherer')").lastrowid
        db.executemany("INSERT INTO graph_mapper_vertex VALUES (?, ?)", [(a, m) for m in gatherers.values()])
        gatherer = a
    for label, cores in POPULATIONS:
        a = db.execute("INSERT INTO Application_vertices(vertex_label) VALUES (?)", (label,)).lastrowid
        if not is_new:
            db.execute("INSERT INTO Application_edges(pre_vertex, post_vertex, edge_label) VALUES (?, ?, ?)", (a, gatherer, f"{label} to gatherer"))
        for chip, core, key, atom, count in cores:
            m = vertex(f"{label} {atom}-{atom + count - 1}" + " on a core with a name that is far too long for a page of this file" * 12)
            db.execute("INSERT INTO graph_mapper_vertex VALUES (?, ?)", (a, m))
            place(m, chip, core)
            db.executemany("INSERT INTO event_to_atom_mapping VALUES (?, ?, ?)", [(m if is_new else a, atom + i, key + i) for i in range(count)])
            if is_new:
                db.execute("INSERT INTO m_vertex_to_lpg_vertex VALUES (?, 'SPIKE', ?)", (m, gatherers[chip]))
            elif label == "stimulus":
                db.execute("INSERT INTO Reverse_IP_tags VALUES (?, 2, ?, 12345)", (m, dict(BOARDS)[chip]))
    db.commit()
    db.close()


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "tool-chain")
    os.makedirs(folder, exist_ok=True)
    make(os.path.join(folder, "7.sqlite3"), True)
    make(os.path.join(folder, "5.sqlite3"), False)
