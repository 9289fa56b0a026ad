"""This server's application behind threads that all accept connections, each for one request."""

import os

from api import load, serve, server
from api.settings import Settings

server.share_one_heap()
settings = Settings.from_env(os.environ)
application = serve(load(settings), settings)
