"""One module a network over one loop."""
