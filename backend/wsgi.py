"""What Lambda and every other WSGI server import: the app as the environment configures it."""

from backend.app import create_app

app = create_app()
