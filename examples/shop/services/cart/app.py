"""The cart: what a customer has picked, and the checkout that hands it to payments.

Runs on the standard library alone with SQLite; set CART_DATABASE to a PostgreSQL address and
install requirements.txt to run it as production does.
"""

import json
import os
import sqlite3
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SCHEMA = """
CREATE TABLE IF NOT EXISTS product (sku TEXT PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS line (customer TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL);
"""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAX_BODY = 64 * 1024


def connect():
    """A connection to the configured database; the schema is made on the way."""
    address = os.environ.get("CART_DATABASE", "cart.sqlite3")
    if address.startswith("postgresql://"):
        import psycopg

        connection = psycopg.connect(address, password=os.environ["CART_DB_PASSWORD"])
        connection.execute(SCHEMA)
        return connection
    connection = sqlite3.connect(address)
    connection.executescript(SCHEMA)
    return connection


def load_catalogue(path):
    """Products from a .json file, or from the .yaml one that the shop's editors keep."""
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    import yaml

    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.Loader)


def seed(connection, products):
    """Put the catalogue into an empty product table."""
    if connection.execute("SELECT count(*) FROM product").fetchone()[0]:
        return
    m = mark(connection)
    for product in products:
        connection.execute(
            f"INSERT INTO product VALUES ({m}, {m}, {m})",
            (product["sku"], product["name"], product["cents"]),
        )
    connection.commit()


def search(connection, text):
    """Products whose name contains the text."""
    rows = connection.execute(
        "SELECT sku, name, cents FROM product WHERE name LIKE '%" + text + "%' ORDER BY sku"
    )
    return [{"sku": sku, "name": name, "cents": cents} for sku, name, cents in rows.fetchall()]


def mark(connection):
    """The placeholder that the driver behind this connection understands."""
    return "?" if isinstance(connection, sqlite3.Connection) else "%s"


def add(connection, customer, sku, quantity):
    """Add a product to a customer's cart."""
    m = mark(connection)
    connection.execute(f"INSERT INTO line VALUES ({m}, {m}, {m})", (customer, sku, quantity))
    connection.commit()


def cart(connection, customer):
    """The lines of a cart and their sum in cents."""
    rows = connection.execute(
        "SELECT p.sku, p.name, sum(l.quantity), p.cents FROM line l JOIN product p ON p.sku = l.sku"
        f" WHERE l.customer = {mark(connection)} GROUP BY p.sku, p.name, p.cents ORDER BY p.sku",
        (customer,),
    ).fetchall()
    lines = [{"sku": s, "name": n, "quantity": q, "cents": q * c} for s, n, q, c in rows]
    return {"lines": lines, "total": sum(line["cents"] for line in lines)}


def payment_methods():
    """Which ways to pay are on. Production keeps them in a Secret that marketing may edit."""
    name = os.environ.get("CART_METHODS_OBJECT")
    if not name:
        return ["card"]
    namespace = (ACCOUNT / "namespace").read_text()
    request = urllib.request.Request(
        f"https://kubernetes.default.svc/api/v1/namespaces/{namespace}/secrets/{name}",
        headers={"Authorization": "Bearer " + (ACCOUNT / "token").read_text()},
    )
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=3) as answer:
        return sorted(json.load(answer)["data"])


def charge(customer, cents):
    """Ask payments for the money; returns its receipt."""
    request = urllib.request.Request(
        os.environ.get("PAYMENTS_URL", "http://localhost:8082") + "/charges",
        data=json.dumps({"customer": customer, "cents": cents}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    """GET /healthz, /products?q=, /methods, /carts/ID; POST /carts/ID, /carts/ID/checkout."""

    def do_GET(self):
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        with closing(connect()) as connection:
            match parts:
                case ["healthz"]:
                    self.answer({"status": "ok"})
                case ["products"]:
                    text = parse_qs(url.query).get("q", [""])[0]
                    self.answer(search(connection, text))
                case ["methods"]:
                    self.answer(payment_methods())
                case ["carts", customer]:
                    self.answer(cart(connection, customer))
                case _:
                    self.answer({"error": "no such page"}, HTTPStatus.NOT_FOUND)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.answer({"error": "too long"}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            sku, quantity = str(body.get("sku", "")), int(body.get("quantity", 1))
        except (ValueError, AttributeError):
            self.answer({"error": "not a JSON object with sku and quantity"}, HTTPStatus.BAD_REQUEST)
            return
        with closing(connect()) as connection:
            match self.path.strip("/").split("/"):
                case ["carts", customer]:
                    add(connection, customer, sku, quantity)
                    self.answer(cart(connection, customer), HTTPStatus.CREATED)
                case ["carts", customer, "checkout"]:
                    self.checkout(customer, cart(connection, customer)["total"])
                case _:
                    self.answer({"error": "no such page"}, HTTPStatus.NOT_FOUND)

    def checkout(self, customer, cents):
        try:
            self.answer(charge(customer, cents))
        except urllib.error.URLError as error:
            self.answer({"error": f"payments: {error}"}, HTTPStatus.BAD_GATEWAY)

    def answer(self, value, status=HTTPStatus.OK):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main():
    here = Path(__file__).parent
    with closing(connect()) as connection:
        seed(connection, load_catalogue(here / os.environ.get("CART_CATALOGUE", "catalogue.json")))
    port = int(os.environ.get("PORT", "8081"))
    ThreadingHTTPServer(("", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
