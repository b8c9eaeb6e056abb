#!/usr/bin/env python3
"""fuzz_import.py CFDATA FILES SEED: whether `cfdata import` reads random files as Python's standard library does.

Writes FILES random files of ratings: separators, headers and their names, quotes with separators, line breaks and
quotes in them, blanks, ends of line, encodings, byte order marks, times, repeated pairs, malformed records. Each is
imported by one thread and by several, and read by tests/reference/ratings_reader.py, which is told what cfdata has to
find out. Every sample must be equal, and the digest whatever the threads. Prints how many files were accepted; fails
where one differs, where a file that is sound by the rules of the generator is refused, or where less than 80 in a
hundred are accepted.
"""

import csv
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import ratings_reader  # noqa: E402

NAMES = {
    "user": ["userId", "user", "User-ID", "user_id:token", "reviewerID", "UID"],
    "item": ["itemId", "movieId", "ISBN", "product id", "item_id:token", "asin"],
    "rating": ["rating", "Rating", "score", "overall", "stars", "Book-Rating"],
    "timestamp": ["timestamp", "Time", "date", "unixReviewTime", "datetime"],
}
OTHERS = ["note", "comment", "title", "who knows", "tags"]
WORDS = ["ann", "bob", "x1", "0007", "7.0", "Zoë", "naïve", "tt0114709", "034545104X", "a b", "O'Neil", "-5", "12", "3"]
SEPARATORS = [",", "\t", ";", "|", "::", "blanks"]


def times(generator, kind):
    day = f"{generator.randint(1971, 2037)}-{generator.randint(1, 12):02d}-{generator.randint(1, 28):02d}"
    clock = f"{generator.randint(0, 23):02d}:{generator.randint(0, 59):02d}"
    second = f"{generator.randint(0, 59):02d}"
    return {
        "seconds": str(generator.randint(0, 2**31)),
        "milliseconds": str(generator.randint(10**12, 2 * 10**12)),
        "decimals": f"{generator.randint(0, 2**31)}.{generator.choice(['0', '5', '25'])}",
        "days": day,
        "minutes": f"{day} {clock}",
        "moments": f"{day}{generator.choice(' T')}{clock}:{second}",
        "zoned": f"{day}T{clock}:{second}{generator.choice(['Z', '+02:00', '-0130', '.123Z'])}",
    }[kind]


class File:
    """A random file and what has to be known to read it."""

    def __init__(self, generator):
        choose = generator.choice
        self.separator = choose(SEPARATORS)
        self.header = generator.random() < 0.65
        self.quotes = self.separator != "::"
        self.encoding = choose(["utf-8"] * 4 + ["latin-1", "cp1252"])
        self.end = choose(["\n", "\n", "\r\n"])
        self.strings = [generator.random() < 0.5, generator.random() < 0.5]
        self.quoting = choose(["none", "needed", "all", "random"]) if self.quotes else "none"
        self.roles = ["user", "item"] + [r for r in ("rating", "timestamp") if generator.random() < 0.7]
        extra = generator.sample(OTHERS, generator.randint(0, 3)) if self.separator != "::" or self.header else []
        self.columns = self.roles + extra
        generator.shuffle(self.columns)
        kinds = ["seconds", "milliseconds", "decimals", "days"]
        if self.separator != "blanks" or self.quoting != "none":
            kinds += ["minutes", "moments", "zoned"]
        self.time = choose(kinds)
        self.mark = self.encoding == "utf-8" and generator.random() < 0.15
        self.bad = generator.random() < 0.08
        self.rows = choose([1, 2, 30, 300, 3000])
        self.wide = generator.random() < 0.03
        if generator.random() < 0.02:
            self.end = "\r"
            self.bad = True
        self.names = {r: choose(NAMES[r]) for r in self.roles} | {o: o for o in extra}
        if self.separator == "blanks" and self.quoting == "none":
            self.names = {r: n.replace(" ", "_") for r, n in self.names.items()}
        self.pool = [self.ids(generator, s) for s in self.strings]
        self.text = self.make(generator)

    def ids(self, generator, strings):
        count = generator.randint(1, 60)
        numbers = [str(generator.choice([generator.randint(1, 100), generator.randint(-5, 10**12)])) for _ in range(count)]
        if not strings:
            return numbers
        words = [generator.choice(WORDS) + generator.choice(["", str(generator.randint(0, 9))]) for _ in range(count)]
        # A tab in an id is refused, as other control characters are.
        if self.quoting in ("needed", "all", "random") and self.separator != "\t":
            sign = " " if self.separator == "blanks" else self.separator
            words += [f'a{sign}b', f'say "{sign}"', '"quoted"']
        if self.separator == "blanks" and self.quoting == "none":
            words = [w.replace(" ", "_") for w in words]
        return words + numbers[: generator.randint(0, 5)]

    def field(self, generator, column):
        if column == "user":
            return generator.choice(self.pool[0])
        if column == "item":
            return generator.choice(self.pool[1])
        if column == "rating":
            return generator.choice(["1", "2", "3.5", "4.0", "0.125", "-2", "1e-1", "100", "3.14159265", ".5"])
        if column == "timestamp":
            return times(generator, self.time)
        text = generator.choice(["", "fine", "so so", "Zoë", "1", "x" * 300])
        if self.quoting in ("needed", "all", "random") and generator.random() < 0.3:
            text = generator.choice(["one\ntwo", 'a "b" c', f"a{self.separator}b", "end\n", '"', "one\r\n\r\ntwo"])
        if self.separator == "blanks":
            return text.replace(" ", "_") if self.quoting == "none" and text else text or "-"
        return text

    def written(self, generator, field):
        sign = " " if self.separator == "blanks" else self.separator
        needs = any(c in field for c in f'"\r\n{sign}') or (sign == " " and ("\t" in field or field == ""))
        if self.quotes and (needs or self.quoting == "all" or (self.quoting == "random" and generator.random() < 0.3)):
            return '"' + field.replace('"', '""') + '"'
        if self.separator not in ("blanks", "\t") and generator.random() < 0.02:
            return f" {field} "
        return field

    def make(self, generator):
        def line(fields):
            sign = self.separator
            texts = [self.written(generator, f) for f in fields]
            if sign != "blanks":
                return sign.join(texts)
            return "".join(t + generator.choice([" ", " ", "  ", "\t"]) for t in texts[:-1]) + texts[-1]

        lines = [line([self.names[c] for c in self.columns])] if self.header else []
        for _ in range(self.rows):
            fields = [self.field(generator, c) for c in self.columns]
            if self.wide and "note" in self.columns:
                fields[self.columns.index("note")] = "w" * 20000
            lines.append(line(fields))
            if generator.random() < 0.01:
                lines.append("")
        if self.bad:
            place = generator.randint(1 if self.header else 0, len(lines))
            lines.insert(place, generator.choice(["1", line(["7"] * (len(self.columns) + 1)), "x" + self.separator]))
        text = self.end.join(lines) + (self.end if generator.random() < 0.8 else "")
        return ("\ufeff" if self.mark else "") + text

    def flags(self):
        flags = []
        if not self.header:
            flags += ["--columns", ",".join(f"{r}={self.columns.index(r) + 1}" for r in self.roles)]
        elif "rating" not in self.roles:
            flags += ["--columns", ",".join(f"{r}={self.names[r]}" for r in self.roles)]
        if self.encoding != "utf-8":
            flags += ["--encoding", self.encoding]
        if self.time == "milliseconds" and "timestamp" in self.roles:
            flags += ["--time-unit", "milliseconds"]
        return flags

    def samples(self, data):
        columns = {r: self.names[r] if self.header else self.columns.index(r) for r in self.roles}
        unit = 1000 if self.time == "milliseconds" else 1
        return ratings_reader.samples(data, self.separator, self.encoding, self.header, columns, unit)


def exported(cfdata, data, folder):
    """The samples of a data set: what export-split makes of it, read by Python."""
    split = folder / "split"
    subprocess.run([cfdata, "export-split", data, "--fraction", ".5", "--out", split], capture_output=True, check=False)
    found = {}
    for name in ("train.csv", "val.csv"):
        with open(split / name, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                time = int(row["timestamp"]) if "timestamp" in row else None
                found[row["user"], row["item"]] = (ratings_reader.number(row["rating"]), time)
    for name in ("train.csv", "val.csv"):
        (split / name).unlink()
    return found


def main():
    cfdata, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    accepted = sound = differ = 0
    for number in range(count):
        generator = random.Random(seed * 1_000_003 + number)
        file = File(generator)
        duplicates = generator.choice(["last", "first"] + (["newest", "oldest"] if "timestamp" in file.roles else []))
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            path = folder / "ratings"
            data = file.text.encode(file.encoding)
            path.write_bytes(data)
            digests = set()
            refusal = ""
            for threads in (1, generator.randint(2, 6)):
                done = subprocess.run(
                    [cfdata, "import", "--ratings", path, "--out", folder / "d", "--overwrite", "--threads", str(threads),
                     "--duplicates", duplicates, *file.flags()],
                    capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    refusal = done.stderr
                    digests.add(done.stderr)
                    continue
                manifest = (folder / "d" / "manifest.textproto").read_text(encoding="utf-8")
                digests.add(manifest[manifest.index("digest:"):])
            problem = ""
            if len(digests) != 1:
                problem = f"threads differ: {digests}"
            elif refusal:
                if refusal.count("\n") != 1:
                    problem = f"an error of several lines: {refusal}"
                elif not file.bad:
                    problem = f"refused: {refusal}"
            else:
                accepted += 1
                expected = ratings_reader.merged(file.samples(data), duplicates)
                found = exported(cfdata, folder / "d", folder)
                if found != expected:
                    wrong = [k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)][:3]
                    problem = f"differs: {[(k, expected.get(k), found.get(k)) for k in wrong]}"
            sound += not file.bad
            if problem:
                differ += 1
                print(f"file {number} of seed {seed}: {problem.strip()} flags {file.flags()} begins {file.text[:200]!r}")
    print(f"{accepted} of {count} files accepted ({sound} sound), {differ} differ")
    sys.exit(1 if differ or accepted * 100 < count * 80 else 0)


if __name__ == "__main__":
    main()
