"""Connections that stay up: sessions, subscriptions, rate limits and HTTP.

Nothing here knows a venue. Import from the modules; this file stays empty so that
`import connectors` does not pay for what it does not use.
"""
