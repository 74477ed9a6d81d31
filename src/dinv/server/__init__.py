"""`dinv serve`: one server that gives a whole team the button. Needs `pip install 'dinv[server]'`.

People ask (page, API, CLI); a transaction decides; workers do it on the endpoints. Imports go down this list:

    serving/     what it is told, its parts put together and run until told to stop; checked, saved
    web/         HTTP: the page, the API, sessions, problem+json. No decisions, no SQL
    work/        does on endpoints what operations say, by dinv's own library; the reconciler; certificates
    fleet/       what there is and who may have it: templates, placement, quotas, the queue, claims. Only
                 SQL: it never talks to an endpoint, so a transaction is never held open for one
    people/      accounts, tokens, sessions, OIDC, teams and roles
    audit.py     who did what, in a chain of digests
    database/    the schema, its migrations, transactions on SQLite and PostgreSQL
    paths.py     where a browser may be sent
    models.py    the values that the parts hand to each other
    problems.py  what can go wrong, with the status of HTTP and a name for programs
    settings.py  what the server was told at its start

All of it is synchronous: dinv's library blocks, and so does SQL. Requests run in a bounded pool of threads,
operations in another; only streams to browsers are asynchronous.

Several servers may share one PostgreSQL. What they know is in the database alone: a directory of a server is
a copy that any other can make anew (`work/records.py`).
"""
