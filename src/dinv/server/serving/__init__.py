"""The server as a whole: what it is told, how its parts are put together, run, looked at and saved.

    from dinv.server.serving.options import settings
    from dinv.server.serving.running import serve

    serve(settings({"listen": "0.0.0.0:8443", "public_url": "https://dinv.example.com"}))

`serve` returns when the process gets SIGTERM or SIGINT, or when its `stopping` event is set.
"""
