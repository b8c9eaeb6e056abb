"""The sections of bench/results.md: each measurement writes its own and keeps the others."""

import re


def read(path):
    """The sections by title; nothing without the file."""
    return parse(path.read_text()) if path.exists() else {}


def parse(text):
    """The sections by title, in their order; what precedes the first has the title ""."""
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    bodies = {title: body.strip("\n") for title, body in zip(["", *parts[1::2]], parts[0::2])}
    return {title: body for title, body in bodies.items() if title or body}


def write(path, sections):
    """Replaces the sections that are there and adds the others at the end."""
    merged = read(path) | {title: body.strip("\n") for title, body in sections.items()}
    path.write_text("\n\n".join(f"## {title}\n\n{body}" if title else body for title, body in merged.items()) + "\n")


def table_rows(body, columns):
    """The cells of the rows of a section's table, by those of their first `columns` cells."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    return {tuple(cells[:columns]): cells for cells in rows[2:]}  # After the head and the line below it.
