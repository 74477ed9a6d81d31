"""HTTP: the page and the API.

`app.py` makes the application from the server's parts. `api/` and `page/` each have `install(app)`, which
adds their routes, and take what they need by dependencies of `guards.py`:

    from dinv.server.web.guards import Anybody, PartsOf, SignedIn

    @router.get("/api/v1/machines")
    def machines(actor: SignedIn, parts: PartsOf) -> ...:
        return parts.fleet.machines(actor)

`SignedIn` is an Actor, by a session's cookie on pages and by a bearer token below /api/ and nowhere else;
`Anybody` an Actor or None. Whoever is not signed in gets the problem (401); Fleet and People say the rest.
Problems are raised, and answered here: as problem+json, or by the page's renderer (`app.state.problem_page`)
where a browser asks. Handlers are plain `def`: they run in threads.
"""
