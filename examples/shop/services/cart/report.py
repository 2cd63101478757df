"""The nightly report: how many carts are open and what they are worth, one line of JSON."""

import json
import sys
from contextlib import closing

from app import cart, connect


def main():
    with closing(connect()) as connection:
        rows = connection.execute("SELECT DISTINCT customer FROM line").fetchall()
        totals = [cart(connection, customer)["total"] for (customer,) in rows]
    json.dump({"open_carts": len(totals), "cents": sum(totals)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
