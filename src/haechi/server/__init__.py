"""The HTTP API, the live stream, metrics and the page's files, over one store."""
