#!/usr/bin/env python3
"""Reads files of ratings with Python's standard library only: what tests compare `cfdata import` with.

It is told what the importer has to find out by itself (separator, encoding, header or columns), so that neither can
make the other's mistake. Slow, obvious, and without a line in common with the importer.
"""

import csv
import datetime
import io
import re
import struct

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def seconds(text, unit=1):
    """Whole seconds since 1970 (UTC) of a time as people write it: a number of 1/unit seconds, or a date."""
    if re.fullmatch(r"-?\d+", text):
        return int(text) // unit
    if re.fullmatch(r"-?\d+\.\d*", text):
        whole, part = text.split(".")
        below = text.startswith("-") and part.strip("0") != ""
        return (int(whole) - (1 if below else 0)) // unit
    text = re.sub(r"Z$", "+00:00", text.replace("T", " "))
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)
    text = re.sub(r"(:\d\d)\.\d+", r"\1", text)
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - EPOCH).total_seconds())


def number(text):
    """The rating as a 32-bit float holds it."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def records(data, separator, encoding):
    """The non-blank records of the bytes, each a list of fields without blanks at their ends."""
    text = data.decode(encoding).removeprefix("\ufeff")
    lines = io.StringIO(text, newline="")
    if separator == "::":
        rows = (line.rstrip("\r\n").split("::") for line in lines)
    elif separator == "blanks":
        squeezed = io.StringIO(re.sub(r"[ \t]+", " ", text), newline="")
        rows = ([field for field in row if field != ""] for row in csv.reader(squeezed, delimiter=" "))
    else:
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for row in rows:
        fields = [field.strip(" ") for field in row]
        if any(fields):
            yield fields


def samples(data, separator, encoding, header, columns, unit=1):
    """The samples of a file in its order, (user, item, rating, timestamp) each; the last two may be None.

    columns: role -> name of the header (header True), or place from 0 (header False).
    """
    rows = records(data, separator, encoding)
    if header:
        names = next(rows)
        columns = {role: names.index(name) for role, name in columns.items()}
    for row in rows:
        rating = number(row[columns["rating"]]) if "rating" in columns else None
        time = seconds(row[columns["timestamp"]], unit) if "timestamp" in columns else None
        yield row[columns["user"]], row[columns["item"]], rating, time


def merged(all_samples, duplicates="last"):
    """One sample of each pair: {(user, item): (rating, timestamp)}."""
    kept = {}
    for user, item, rating, time in all_samples:
        old = kept.get((user, item))
        if old is not None and duplicates == "first":
            continue
        if old is not None and duplicates == "newest" and time < old[1]:
            continue
        if old is not None and duplicates == "oldest" and time >= old[1]:
            continue
        kept[user, item] = (1.0 if rating is None else rating, time)
    return kept
