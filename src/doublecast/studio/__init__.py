"""The studio: web pages over `pipeline`, and nothing else. What they do, the command line and the library can do."""
