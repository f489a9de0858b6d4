"""The page and the client."""
