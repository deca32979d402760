"""Runs the statements of docs/fleet.md on generated lines, and prints the answers as JSON. Arguments: folder, number of lines.

Standard input is a JSON array of statements."""

import datetime
import json
import sys
import time

import duckdb

folder, count = sys.argv[1], int(sys.argv[2])
database = duckdb.connect(f"{folder}/database")
# 100 streams, whose numbers begin with the line `start`. The first one lacks 17 numbers, and has 5 of them twice.
database.execute(
    f"""
    COPY (
      SELECT 'exit' AS type, strftime(current_date - INTERVAL (300 + i % 3600) SECONDS, '%Y-%m-%dT%H:%M:%S.000Z') AS time,
        1000000 * i AS timestampNs, 'stream-' || i % 100 AS stream, 1 + i // 100 AS seq,
        300 + i % 30000 AS pid, 1 AS ppid, ['sh', 'cc', 'make', 'node'][1 + i % 4] AS name, '/usr/bin/x' AS exe,
        ['x', 'argument ' || i % 1000] AS argv, CASE WHEN i % 1000 = 7 THEN 0 ELSE 1000 END AS uid, 'u' AS "user",
        1000 AS loginUid, NULL AS containerId, CASE WHEN i % 50 = 3 THEN 1 WHEN i % 50 = 4 THEN NULL ELSE 0 END AS exitCode,
        CASE WHEN i % 50 = 4 THEN 'SIGTERM' END AS signal, CASE WHEN i = 4242 THEN 9e12::BIGINT ELSE i % 100000 END AS durationNs,
        {{'cpuNs': i, 'maxRssBytes': CASE WHEN i = 777 THEN 9000000000 ELSE 1000000 + i % 1000 END}} AS usage
      FROM range({count}) AS lines(i)
      WHERE NOT (i % 100 = 0 AND i // 100 BETWEEN 1000 AND 1016)
    ) TO '{folder}/a.ndjson' (FORMAT json)"""
)
with open(f"{folder}/b.ndjson", "w") as extra:
    for stream in range(100):
        of = {"stream": f"stream-{stream}", "time": "2026-01-02T03:04:05.678Z", "timestampNs": 0}
        start = {"host": f"host-{stream // 2}", "hostId": "id", "bootId": "boot"}
        extra.write(json.dumps({"type": "start", "seq": 0, **start, **of}) + "\n")
        # The numbers of the exits end with this one.
        last = (count - 1 - stream) // 100 + 1
        if stream == 2:
            extra.write(json.dumps({"type": "loss", "cause": "output", "lost": 500, "seq": last + 1, **of}) + "\n")
    # The host 8 is alive. The stream of the host 7 has ended. All others are silent.
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    midnight = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT00:00:00.000Z")
    for stream, type, at in ((15, "end", midnight), (17, "heartbeat", now)):
        last = (count - 1 - stream) // 100 + 1
        extra.write(json.dumps({"type": type, "seq": last + 1, "stream": f"stream-{stream}", "time": at}) + "\n")
    for seq in range(5):
        again = {"type": "exit", "seq": seq + 1, "name": "sh", "uid": 1000, "exitCode": 0}
        extra.write(json.dumps({**again, "stream": "stream-0", "time": "2026-01-02T03:04:05.678Z"}) + "\n")

answers = []
began = time.monotonic()
for statement in json.load(sys.stdin):
    result = database.execute(statement.replace("events/*.ndjson*", f"{folder}/*.ndjson"))
    names = [column[0] for column in result.description or []]
    answers.append([dict(zip(names, row)) for row in result.fetchall()])
exits = database.execute("SELECT count(*) FROM exits").fetchone()[0]
print(json.dumps({"answers": answers, "exits": exits, "seconds": time.monotonic() - began}, default=str))
