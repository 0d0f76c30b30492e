"""The founding SQL by DuckDB, one thread: read_json of the five columns, filter, JSON out.

duckdb_founding.py FILE [ROUNDS=5]: prints GB/s of the best and the median round (warm), by CPU time.
"""

import os
import statistics
import sys
import tempfile
import time

import duckdb

COLUMNS = ("{ID: 'VARCHAR', Severity: 'BIGINT', City: 'VARCHAR', County: 'VARCHAR',"
           " Txn_Timestamp: 'TIMESTAMP_MS'}")


def main():
    path, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with open(path, "rb") as file:
        is_indented = file.read(2) == b"{\n"
    form = "unstructured" if is_indented else "newline_delimited"
    size = os.path.getsize(path)
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        query = (f"COPY (SELECT * FROM read_json('{path}', columns={COLUMNS}, format='{form}')"
                 f" WHERE Severity > 2) TO '{folder}/out.json' (FORMAT json)")
        for _ in range(rounds + 1):
            before = time.process_time()
            rows = connection.execute(query).fetchone()[0]
            seconds.append(time.process_time() - before)
    warm = seconds[1:]
    print(f"{size / min(warm) / 1e9:.3f} GB/s (median {size / statistics.median(warm) / 1e9:.3f})"
          f"  {rows} rows pass  DuckDB {duckdb.__version__}")


main()
