"""WebSocket, REST, metrics and the page."""
