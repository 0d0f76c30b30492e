#!/usr/bin/env python3
"""Condenses published statistics of the US-Accidents data set into src/feed/tables.c.

Figures only, no rows. The statistics lie in $LEAT_SHARED/data/us-accidents/stats (or ../shared
beside the repository). Weights are parts per million.
"""
import csv
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = pathlib.Path(os.environ.get("LEAT_SHARED", ROOT.parent / "shared"))
STATS = SHARED / "data" / "us-accidents" / "stats"
STREETS_MAX = 400


def rows(name):
    with open(STATS / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ppm(share):
    return round(float(share) * 1e6)


def micro(degrees):
    return round(float(degrees) * 1e6)


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def severity(row):
    """Cumulative percent of severities 1 to 3, in 1/100 percent."""
    total, out = 0.0, []
    for level in (1, 2, 3):
        total += float(row[f"sev{level}_pct"])
        out.append(str(round(total * 100)))
    return "{" + ", ".join(out) + "}"


def emit(out, ctype, name, lines):
    out.append(f"const {ctype} {name}[] = {{")
    out.extend(f"    {line}," for line in lines)
    out.append("};")
    out.append(f"const isize {name}_count = COUNT_OF({name});")
    out.append("")


def states():
    for r in rows("states.csv"):
        zone = (r["timezones"] or "US/Central").split()[0].split(":")[0]
        yield ("{%s, %s, %d, %d, %d, %d, %d, %s}" % (
            text(r["state"]), text(zone), ppm(r["m23_share"]), micro(r["lat_p01"]),
            micro(r["lat_p99"]), micro(r["lng_p01"]), micro(r["lng_p99"]), severity(r)))


def cities(order):
    listed = [r for r in rows("cities_top500.csv") if r["state"] in order]
    listed.sort(key=lambda r: (order[r["state"]], -float(r["share"])))
    for r in listed:
        zip3 = int(r["zip_prefix3"]) if r["zip_prefix3"].isdigit() else 0
        yield ("{%s, %s, %s, %s, %d, %d, %d, %d, %d, %d, %d}" % (
            text(r["city"]), text(r["county"]), text(r["timezone"]), text(r["airport"]),
            order[r["state"]], ppm(r["share"]), micro(r["lat_mean"]), micro(r["lat_sd"]),
            micro(r["lng_mean"]), micro(r["lng_sd"]), zip3))


def weather():
    for r in rows("weather_conditions.csv"):
        if r["condition"]:
            yield ("{%s, %d, %d, %d, %d, %d, %d, %d, %d, %d}" % (
                text(r["condition"]), ppm(r["share"]), round(float(r["temp_f_p10"])),
                round(float(r["temp_f_p50"])), round(float(r["temp_f_p90"])),
                round(float(r["humidity_p50"])), round(float(r["visibility_p10"]) * 10),
                round(float(r["visibility_p50"]) * 10), round(float(r["wind_mph_p50"])),
                round(float(r["wind_mph_p90"]))))


def pairs(name, key):
    for r in rows(name):
        if r[key]:
            yield "{%s, %d}" % (text(r[key]), ppm(r["share"]))


def calendar(dimension):
    return [str(ppm(r["share"])) for r in rows("weekday_month_year.csv")
            if r["dimension"] == dimension]


def main():
    if not STATS.is_dir():
        sys.exit(f"no statistics at {STATS}: set LEAT_SHARED")
    order = {r["state"]: i for i, r in enumerate(rows("states.csv"))}
    out = ["/* feed/tables.c: made by tools/make_feed_tables.py from published figures; do not edit. */",
           '#include "feed/tables.h"', ""]
    emit(out, "struct feed_state", "feed_states", states())
    emit(out, "struct feed_city", "feed_cities", cities(order))
    emit(out, "struct feed_weather", "feed_weathers", weather())
    emit(out, "struct feed_weight", "feed_streets", list(pairs("streets_top1000.csv", "street"))[:STREETS_MAX])
    emit(out, "struct feed_weight", "feed_winds", pairs("wind_directions.csv", "wind_direction"))
    hours = rows("hours.csv")
    emit(out, "i32", "feed_hours_weekday", [str(ppm(r["weekday_share_sample"])) for r in hours])
    emit(out, "i32", "feed_hours_weekend", [str(ppm(r["weekend_share_sample"])) for r in hours])
    emit(out, "i32", "feed_weekdays", calendar("weekday"))
    emit(out, "i32", "feed_months", calendar("month"))
    emit(out, "i32", "feed_years", calendar("year"))
    path = ROOT / "src" / "feed" / "tables.c"
    path.write_text("\n".join(out), encoding="utf-8")
    os.system(f"clang-format -i {path}")


main()
