"""The page as an ASGI application that compresses what it sends: what `draw-a-digit` and the container serve.

Streamlit's own server sends its scripts as they are, 3.2 MB on a first visit. `streamlit run ui/app.py` still works.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(GZipMiddleware, compresslevel=5)])
