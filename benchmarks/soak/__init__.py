"""A server under a team's use for an hour: `python -m benchmarks.soak`, docs/benchmarks.md.

__main__    the one command: begins, waits, ends, judges
server      the server, a program of its own: `dinv serve` itself over endpoints of the tests
process     that program begun and ended, and its log
team        who there is, and what they may have
people      what they do, by the API and by the page
weather     endpoints that die, hang, fill up and come back; machines that somebody touches behind its back
samples     memory, open files, threads and the database's size, again and again
machines    how long machines are in a state that should pass; and whether all fits in the end
showing     the tables
"""
