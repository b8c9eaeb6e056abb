"""Runs the programs of a build, for the measurements of this folder."""

import csv
import os
import pathlib
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = PROJECT / "build/release/bin"
# For root and for more ranks than cores; a rank of several threads needs more than the one core that mpirun binds it to.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_hwloc_base_binding_policy": "none"}
# Without it PyTorch's tensors are mapped, and their pages made, at every step.
TUNED_MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}


def progress(line):
    print(line, file=sys.stderr, flush=True)


def run(*command, **environment):
    """The finished process, with all that it printed as text."""
    return subprocess.run([str(word) for word in command], env=os.environ | MPI | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def must(*command, **environment):
    """What a command printed; if it fails, so does the measurement."""
    done = run(*command, **environment)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))} ended with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def set_flags(fields):
    """The flags of cfworker and cfrun for {"train.epochs": 1}."""
    return [word for field, value in fields.items() for word in ("--set", f"{field}={value}")]


def train(programs, config, data, folder, fields, threads):
    """The history of a run of a job by one rank, a dictionary of numbers for each epoch that was trained."""
    shutil.rmtree(folder, ignore_errors=True)
    must(programs / "cfworker", config, "--data", data, "--run", folder, "--threads", threads, "--progress", "lines",
         *set_flags(fields))
    with open(folder / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)
                if row["epoch"] != "0"]
