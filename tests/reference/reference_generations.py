"""Small economies of generations, and what is known of them without the library.

`Generations` has a closed form: with log utility, full depreciation, Cobb-Douglas production and labor in the first
period of life only, a household with H - h periods to come saves the share beta (1 - beta^(H-h)) / (1 - beta^(H-h+1))
of its wealth, whatever the aggregate state (Huffman 1987, Journal of Political Economy 95(1)). `LifeCycle` has risk
of death and of income, pensions and bequests; its households are solved here by plain loops.
"""

import jax.numpy as jnp
import numpy as np

import hank_mfg as hm

LITTLE = 1e-9  # labor of the old: a household with no assets at all would consume nothing


class Generations(hm.Model):
    discount_factor: float = hm.parameter(above=0, below=2, default=0.7)
    capital_share: float = hm.parameter(above=0, below=1, default=0.3)
    sd: float = hm.parameter(at_least=0, below=1, default=0.05)

    def ages(self):
        return hm.Ages([1.0] * 5 + [0.0])

    def aggregate_shocks(self):
        return hm.MarkovChain([[0.5, 0.5], [0.5, 0.5]], productivity=[1 - self.sd, 1 + self.sd])

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[1.0]], luck=[1.0])

    def asset_space(self):
        return hm.Assets(0.0, 0.5, curvature=1)

    def preferences(self):
        return hm.CRRA(1.0)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        capital = 6 * today.capital  # for each of those who work, one in six
        output = today.productivity * capital**self.capital_share
        return {"gross": self.capital_share * output / capital, "wage": (1 - self.capital_share) * output}

    def resources(self, assets, own, today):
        return today.gross * assets + today.wage * jnp.where(own.age == 0, 1.0, LITTLE)

    def signal(self, today):
        return {"capital": today.capital, "productivity": today.productivity}


def saving_shares(patience: float, ages: int) -> np.ndarray:
    """What a household of each age saves of its wealth."""
    left = ages - np.arange(ages)  # periods of consumption, this one included
    return patience * (1 - patience ** (left - 1)) / (1 - patience**left)


def generations_path(productivity, held, patience: float, capital_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Capital per head on a path, and what each age holds at its end, from what it `held` at first."""
    shares, capital = saving_shares(patience, len(held)), []
    for level in productivity:
        total = held.sum()
        output = level * total**capital_share
        wealth = capital_share * output / total * held + LITTLE * (1 - capital_share) * output
        wealth[0] += (1 - capital_share) * output * (1 - LITTLE)
        capital.append(total / len(held))
        held = np.append(0.0, (shares * wealth)[:-1])
    return np.array(capital), held


class LifeCycle(hm.Model):
    """Eight ages; newborns get what the dead left; the last three ages live on a pension."""

    discount_factor: float = hm.parameter(above=0, below=2, default=0.97)
    risk_aversion: float = hm.parameter(above=0, default=2.0)
    pension: float = hm.parameter(at_least=0, default=0.3)
    debt: float = hm.parameter(at_most=0, default=-0.2)
    aggregate_sd: float = hm.parameter(at_least=0, default=0.02)

    survival = (0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.6, 0.0)
    depreciation, capital_share = 0.3, 0.33

    def ages(self):
        limits = jnp.where(jnp.arange(8) < 4, self.debt, 0.0)
        return hm.Ages(self.survival, first=20, newborn_assets=0.05, limits=limits)

    def aggregate_shocks(self):
        return hm.AR1("productivity", persistence=0.7, stationary_sd=self.aggregate_sd, mean=1.0, states=2)

    def idiosyncratic_shock(self):
        return hm.AR1("skill", persistence=0.8, stationary_sd=0.3, states=3, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(-0.3, 12.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def works(self, own):
        return jnp.where(own.age < 25, own.skill * (1.0 + 0.1 * (own.age - 20)), 0.0)

    def aggregates(self, assets, own, today):
        young = jnp.where(own.age == 20, 1.0, 0.0)
        return {"capital": assets, "labor": self.works(own), "newborns": young + 0.0 * own.skill}

    def prices(self, today):
        output = today.productivity * today.capital**self.capital_share * today.labor ** (1 - self.capital_share)
        rate = self.capital_share * output / today.capital - self.depreciation
        wage = (1 - self.capital_share) * output / today.labor
        left = (1 + rate) * (today.estates - 0.05 * today.newborns)  # to everybody, after what newborns start with
        return {"output": output, "rate": rate, "wage": wage, "transfer": left}

    def resources(self, assets, own, today):
        income = (1 - 0.1) * today.wage * self.works(own) + jnp.where(own.age >= 25, self.pension * today.wage, 0.0)
        return (1 + today.rate) * assets + income + today.transfer

    def signal(self, today):
        return {"capital": today.capital, "productivity": today.productivity, "estates": today.estates}


def life_cycle_by_loops(steady) -> tuple[np.ndarray, np.ndarray]:
    """Savings (assets, age, skill) and the mass, at the prices of a stationary equilibrium of `LifeCycle`, by backward
    induction and one pass forward; nothing of the library but its grid, its chain and the equations of the model."""
    model, economy, prices = steady.economy.model, steady.economy, steady.prices
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    skill, survival = np.asarray(economy.own["skill"])[:3], np.asarray(model.survival)
    limits = np.where(np.arange(8) < 4, float(model.debt), 0.0)
    rate, wage, transfer = (float(prices[name]) for name in ("rate", "wage", "transfer"))
    power, patience = float(model.risk_aversion), float(model.discount_factor)
    savings, consumption_next = np.zeros((len(points), 8, 3)), None
    for age in range(7, -1, -1):
        held = points if age else np.full(len(points), 0.05)
        consumption = np.zeros((len(points), 3))
        for place in range(3):
            labor = skill[place] * (1 + 0.1 * age) if age < 5 else 0.0
            cash = (1 + rate) * held + 0.9 * wage * labor + transfer
            cash = cash + (float(model.pension) * wage if age >= 5 else 0.0)
            if consumption_next is None:
                chosen = np.full(len(points), limits[age])
            else:
                expected = patience * survival[age] * (1 + rate) * (consumption_next**-power @ chain[place])
                unconstrained = expected ** (-1 / power)
                due = points + unconstrained  # cash on hand at which each choice is right
                chosen = np.clip(np.interp(cash, due, points), limits[age], points[-1])
                low = cash < due[0]
                chosen[low] = limits[age]
            savings[:, age, place], consumption[:, place] = chosen, cash - chosen
        consumption_next = consumption
    return savings, _mass_by_loops(points, chain, survival, savings)


def _mass_by_loops(points, chain, survival, savings) -> np.ndarray:
    born = np.linalg.matrix_power(chain, 500)[0]
    mass, count = np.zeros(savings.shape), len(points)
    start = np.zeros((count, 3))
    start[0] = born  # whatever was left, a newborn holds the same
    estates = np.zeros((count, 3))
    now = start
    for age in range(8):
        if age:
            mass[:, age] = now
        later = np.zeros((count, 3))
        for place in range(3):
            index = np.clip(np.searchsorted(points, savings[:, age, place], side="right") - 1, 0, count - 2)
            weight = (savings[:, age, place] - points[index]) / (points[index + 1] - points[index])
            np.add.at(later[:, place], index, now[:, place] * (1 - weight))
            np.add.at(later[:, place], index + 1, now[:, place] * weight)
        estates += (1 - survival[age]) * later
        now = survival[age] * later @ chain
    mass[:, 0] = estates.sum(axis=1, keepdims=True) * born
    return mass / mass.sum()
