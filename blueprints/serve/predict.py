"""Serves a model that train.py made, over HTTP. Standard library only.

    MODEL=file:///path/to/model PORT=8000 python3 predict.py

GET /healthz answers 200 once the model is loaded. POST /predict takes one house or a list of them:

    curl -d '{"size_m2": 120, "rooms": 4, "age_years": 10, "distance_km": 3}' http://127.0.0.1:8000/predict
"""

import json
import os
import pathlib
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BYTES = 1_000_000


def load(uri: str) -> dict:
    """Reads the model behind a file:// address: a directory with a model.json, or the file itself."""
    parts = urllib.parse.urlparse(uri)
    if parts.scheme not in ("", "file"):
        sys.exit(f"MODEL must be a path or a file:// address; this one is {parts.scheme}://")
    path = pathlib.Path(parts.path)
    path = path / "model.json" if path.is_dir() else path
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        sys.exit(f"the model at {path} can't be read: {error}")


def predict(model: dict, house) -> float:
    """What a house costs. A ValueError says what is wrong with the question."""
    if not isinstance(house, dict):
        raise ValueError("a house is a map of numbers")
    wanted = model["coefficients"]
    if missing := [name for name in wanted if name not in house]:
        raise ValueError(f"missing: {', '.join(missing)}")
    if unknown := [name for name in house if name not in wanted]:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are: {', '.join(wanted)}")
    for name, value in house.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a number")
    return round(model["intercept"] + sum(weight * house[name] for name, weight in wanted.items()), 2)


class Handler(BaseHTTPRequestHandler):
    model: dict = {}
    timeout = 30

    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, {"status": "ok", "model": self.model["model"]})
        else:
            self.answer(404, {"error": f"there is no {self.path}: try POST /predict"})

    def do_POST(self):
        if self.path != "/predict":
            return self.answer(404, {"error": f"there is no {self.path}: try POST /predict"})
        try:
            length = int(self.headers.get("Content-Length", 0))
        except ValueError:
            return self.answer(400, {"error": "Content-Length is no number"})
        if not 0 < length <= MOST_BYTES:
            return self.answer(413 if length > MOST_BYTES else 400, {"error": f"send 1 to {MOST_BYTES} bytes of JSON"})
        try:
            asked = self.read_json(length)
            if isinstance(asked, list):
                self.answer(200, {"prices": [predict(self.model, house) for house in asked]})
            else:
                self.answer(200, {"price": predict(self.model, asked)})
        except ValueError as error:
            self.answer(400, {"error": str(error)})

    def read_json(self, length: int):
        try:
            return json.loads(self.rfile.read(length))
        except ValueError as error:
            raise ValueError(f"this is no JSON: {error}") from None

    def answer(self, status: int, body: dict):
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    Handler.model = load(os.environ.get("MODEL", "."))
    port = int(os.environ.get("PORT", "8000"))
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"serving {Handler.model['model']} on http://127.0.0.1:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
