"""`attacks.json`: what an analyst would send who wants one person's row, each with its verdict."""

from __future__ import annotations

import json
from pathlib import Path

from tests.corpora.worlds import POLICY, listed, opened, verdict

ALLOWED = {
    "reject": {"refuse"}, "accept_private": {"private"}, "accept_public": {"public"}, "either": {"refuse", "private"},
}
SCRIPT = """
CREATE TABLE products(product_id INT PRIMARY KEY, category VARCHAR, list_price DOUBLE);
INSERT INTO products SELECT i, ['a', 'b', 'c'][1 + i % 3], i * 1.5 FROM range(20) t(i);
CREATE TABLE customers(
    customer_id BIGINT PRIMARY KEY, name VARCHAR, age INT, income DOUBLE, city VARCHAR, signup DATE
);
INSERT INTO customers
SELECT i, 'n' || i, 18 + i % 70, 1000 * i, ['x', 'y', 'z'][1 + i % 3], DATE '2020-01-01' + i::INT FROM range(300) t(i);
CREATE TABLE orders(order_id BIGINT PRIMARY KEY, customer_id BIGINT, amount DOUBLE, status VARCHAR, placed TIMESTAMP);
INSERT INTO orders
SELECT i, i % 300, i % 97, ['open', 'paid'][1 + i % 2], TIMESTAMP '2024-01-01' + to_hours(i::INT) FROM range(1200) t(i);
CREATE TABLE items(item_id BIGINT PRIMARY KEY, order_id BIGINT, product_id INT, quantity INT, price DECIMAL(10, 2));
INSERT INTO items SELECT i, i % 1200, i % 20, 1 + i % 5, i % 50 FROM range(3000) t(i);
"""
RULES = """
[tables.customers]
unit = "customer_id"
keys = ["customer_id"]
columns.age = { range = [0, 120] }
columns.income = { range = [0, 500000] }
[tables.orders]
owner = "customer_id -> customers.customer_id"
keys = ["order_id"]
columns.amount = { range = [0, 1000] }
[tables.items]
owner = "order_id -> orders.order_id"
keys = ["item_id"]
columns.quantity = { range = [0, 100] }
columns.price = { range = [0, 1000] }
[tables.products]
public = true
keys = ["product_id"]
"""


def show(folder: Path, made: Path) -> int:
    """Print the attacks that get another verdict than theirs; how many they are."""
    attacks = json.loads((folder / "attacks.json").read_text())
    wrong = 0
    with opened(made, SCRIPT, POLICY.format(unit="customers", caps=20) + RULES) as session:
        for attack in attacks:
            found, refused = verdict(session, attack["sql"])
            if found not in ALLOWED[attack["expected"]]:
                wrong += 1
                listed(f"{attack['id']}: {attack['expected']} ({attack['why']})", attack["sql"], refused)
    print(f"{len(attacks)} attacks, {wrong} with another verdict")
    return wrong
