"""The API: what serves drawings, and in `backend.deploy` what deploys it."""
