"""The page in a real browser, on the real server, with the sample shop pushed into it."""
