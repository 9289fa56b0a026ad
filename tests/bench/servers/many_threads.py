"""This server's application behind threads that all accept connections, each for one request."""

import os

from api.app import load, serve
from api.server import process
from api.settings import Settings

process.share_one_heap()
settings = Settings.from_env(os.environ)
application = serve(load(settings), settings)
