"""dinv ssh: whose the words before the machine's name are."""

from __future__ import annotations

import pytest

from dinv.access.ssh_options import Session, split
from dinv.cli.verbs import ssh


@pytest.mark.parametrize(
    ("words", "ours", "theirs"),
    [
        # dinv's -s DIR
        ("-s /store dev id", "-s /store", "dev id"),
        ("-s store dev", "-s store", "dev"),
        ("-s=/store -D dev", "-s=/store -D", "dev"),
        ("-s /store sftp", "-s /store", "sftp"),
        ("-s ./store sftp", "-s ./store", "sftp"),
        ("--storage-path /store -t dev", "--storage-path /store -t", "dev"),
        ("-s", "-s", ""),
        # ssh's -s
        ("-s -- dev sftp", "", "-s -- dev sftp"),
        ("-s dev sftp", "", "-s dev sftp"),
        ("-s -l root dev sftp", "", "-s -l root dev sftp"),
        ("dev -s sftp", "", "dev -s sftp"),
        ("-xs dev sftp", "", "-xs dev sftp"),
        # both
        ("-s /store -x -s -- dev sftp", "-s /store", "-x -s -- dev sftp"),
        ("-x -s /store -l root dev id", "-s /store", "-x -l root dev id"),
        ("-s store -s dev sftp", "-s store", "-s dev sftp"),
        # what has a value does not take its value for the name
        ("-l root -o BatchMode=yes -p 22 dev id", "", "-l root -o BatchMode=yes -p 22 dev id"),
        ("-- dev -t", "", "-- dev -t"),
        ("--nosuch dev", "--nosuch", "dev"),
        ("--help", "--help", ""),
        ("-t -T dev", "-t", "-T dev"),
    ],
)
def test_whose_the_words_are(words: str, ours: str, theirs: str) -> None:
    assert ssh.takes_rest(words.split()) == (ours.split(), theirs.split())


def test_sshfs_s_call_is_the_subsystem_of_the_machine() -> None:
    words = "-s /store -x -a -oClearAllForwardings=yes -2 -s -- dev sftp"
    line = split(ssh.takes_rest(words.split(" "))[1])
    assert (line.host, line.command) == ("dev", ["sftp"])
    assert Session(line.options).subsystem
