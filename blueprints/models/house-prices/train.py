"""Trains the model of the quickstart: what a house costs, by its size, rooms, age and distance to the centre.

Standard library only. The data set is made here, the same each time, and written beside this file:

    python3 train.py            # writes houses.csv and model.json
    python3 train.py --city x   # another city: other prices, written to the directory ../house-prices-x
"""

import argparse
import csv
import json
import pathlib
import random

FEATURES = ["size_m2", "rooms", "age_years", "distance_km"]


def houses(city: str, count: int = 400) -> list[dict]:
    """Houses with the prices that a market with some noise would give them."""
    rng = random.Random(f"trueup {city}")
    level = rng.uniform(0.8, 1.4)
    rows = []
    for _ in range(count):
        size = round(rng.uniform(30, 220))
        rooms = max(1, round(size / 28 + rng.gauss(0, 0.8)))
        age = round(rng.uniform(0, 90))
        distance = round(rng.uniform(0, 25), 1)
        price = level * (40_000 + 3_100 * size + 9_000 * rooms - 650 * age - 4_800 * distance) + rng.gauss(0, 15_000)
        rows.append({"size_m2": size, "rooms": rooms, "age_years": age, "distance_km": distance, "price": round(price)})
    return rows


def solve(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Solves a small system of linear equations by elimination with pivoting."""
    rows = [row[:] + [value] for row, value in zip(matrix, vector)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(n):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i])]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def train(rows: list[dict]) -> dict:
    """Fits a linear regression by least squares, and measures it on every fifth house, which it has not seen."""
    seen = [row for i, row in enumerate(rows) if i % 5]
    unseen = [row for i, row in enumerate(rows) if i % 5 == 0]
    x = [[1.0] + [float(row[name]) for name in FEATURES] for row in seen]
    y = [float(row["price"]) for row in seen]
    n = len(x[0])
    normal = [[sum(r[i] * r[j] for r in x) for j in range(n)] for i in range(n)]
    target = [sum(r[i] * value for r, value in zip(x, y)) for i in range(n)]
    intercept, *weights = solve(normal, target)

    def predict(row: dict) -> float:
        return intercept + sum(weight * row[name] for weight, name in zip(weights, FEATURES))

    mean = sum(row["price"] for row in unseen) / len(unseen)
    left = sum((row["price"] - predict(row)) ** 2 for row in unseen)
    r2 = 1 - left / sum((row["price"] - mean) ** 2 for row in unseen)
    return {
        "model": "linear_regression",
        "target": "price",
        "intercept": round(intercept, 4),
        "coefficients": {name: round(weight, 4) for name, weight in zip(FEATURES, weights)},
        "trained_on": len(seen),
        "r2_on_unseen": round(r2, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city", default="", help="train for another city")
    city = parser.parse_args().city
    here = pathlib.Path(__file__).resolve().parent
    directory = here.parent / f"house-prices-{city}" if city else here
    directory.mkdir(exist_ok=True)
    rows = houses(city)
    with open(directory / "houses.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*FEATURES, "price"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    model = train(rows)
    (directory / "model.json").write_text(json.dumps(model, indent=2) + "\n")
    print(f"{directory / 'model.json'}: R² {model['r2_on_unseen']} on houses it has not seen")


if __name__ == "__main__":
    main()
