#!/usr/bin/env python3
"""Make a machine for each person named, and write each into a file for that person.

    hand_out.py DIRECTORY NAME...

Each file has the keys of one machine, and of no other: its owner takes it in by `dinv import NAME.tar`, and
has a Docker host. Where a machine cannot be made, those made before stay, and the rest can be made with the
names left. DINV_MEMORY and DINV_CPUS say how large they are; `dinv ls` lists them, `dinv rm` takes them back.
"""

from __future__ import annotations

import os
import sys

import dinv

MEMORY = os.environ.get("DINV_MEMORY", "1g")


def main(words: list[str]) -> int:
    """Hand out, and say where the files are; returns the exit status."""
    if len(words) < 2:
        sys.stderr.write("usage: hand_out.py DIRECTORY NAME...\n")
        return 2
    directory, *people = words
    os.makedirs(directory, mode=0o700, exist_ok=True)
    machines = dinv.open()
    for person in people:
        try:
            with machines.create(person, memory=MEMORY, context=False, label=[f"person={person}"]) as machine:
                path = os.path.join(directory, f"{person}.tar")
                with open(path, "wb", opener=_private) as file:
                    machines.export(person, file)
        except dinv.DinvError as error:
            sys.stderr.write(f"{person}: {error}\n")
            return 1
        sys.stdout.write(f"{path}\t{machine.url}\n")
    return 0


def _private(path: str, flags: int) -> int:
    """Open a file with keys in it: nobody else may read it, from the first moment."""
    return os.open(path, flags, 0o600)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
