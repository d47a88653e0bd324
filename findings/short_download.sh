#!/bin/bash
# Guess: a download that ends early raises an error about the download: urllib's ContentTooShortError, as urlretrieve does.
# What happens: fastcore's urlretrieve raises NameError, because it names ContentTooShortError without importing it. fastai's
#   untar_data and fastdownload download this way.
# Why a learner cares: a bad connection in class looks like a mistake in the code, and `except URLError` does not catch it.
# Seen with fastcore 2.2.41; fastcore/net.py, urlretrieve
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check fastcore==2.2.41
cat > finding.py <<'PY'
import threading, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
import fastcore
from fastcore.net import urlretrieve

class Short(BaseHTTPRequestHandler):
    "Promises 1,000 bytes, and sends 10"
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(bytes(10))
    def log_message(self, *args): pass

server = HTTPServer(('127.0.0.1', 0), Short)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f'http://127.0.0.1:{server.server_port}/digits.tgz'

def outcome(fetch):
    try: return f'{fetch(url, "digits.tgz")}'
    except Exception as e: return f'{type(e).__name__}: {e}'

plain, theirs = outcome(urllib.request.urlretrieve), outcome(urlretrieve)
print(f'fastcore {fastcore.__version__}')
print(f'one would guess: ContentTooShortError, as urllib has it: {plain}')
print(f'seen:            {theirs}')
assert plain.startswith('ContentTooShortError') and theirs.startswith('NameError'), 'fastcore behaves differently now'
PY
env/bin/python finding.py
