"""Signing in at an OpenID Connect provider: authorization code flow with PKCE.

https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636 (PKCE), RFC 9700 (best current practice)
"""
