"""Who is who: accounts, tokens, sessions, OpenID Connect, teams and roles."""
