"""What the tests of evaluations share: the example model, and a regressor with a card."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import models
from models.card import write_card
from models.model import Model


@pytest.fixture(scope="session")
def penguin_model(penguins_path: Path) -> Model:
    """The example model without its held-out rows, as the service loads it."""
    return models.load(penguins_path)


@pytest.fixture(scope="session")
def houses() -> pd.DataFrame:
    """400 houses: two features, a city that is none, and a price in thousands."""
    rng = np.random.default_rng(0)
    area, rooms = rng.uniform(40, 200, 400), rng.integers(1, 7, 400)
    price = 3 * area + 20 * rooms + rng.normal(0, 15, 400)
    city = np.array(["Graz", "Linz"])[(area > 120).astype(int)]
    return pd.DataFrame({"area": area, "rooms": rooms, "city": city, "price": price})


@pytest.fixture(scope="session")
def house_model(houses: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A regressor of the price, with its card."""
    path = tmp_path_factory.mktemp("houses") / "houses.joblib"
    rows = houses[["area", "rooms"]]
    estimator = LinearRegression().fit(rows, houses["price"])
    joblib.dump(estimator, path)
    write_card(path, estimator, rows, target="price", metrics={})
    return models.load(path)
