"""My economy: households insure against labor-income risk by saving in capital; productivity moves all incomes.

An example that runs as it stands: change it line by line. Fields are parameters, methods are the equations on the
model page of the paper; there is no grid and no algorithm here. Then, on the command line,

    hank-mfg show MY_MODEL.py             the parameters, and every equation tried once
    hank-mfg steady-state MY_MODEL.py     without aggregate risk
    hank-mfg solve MY_MODEL.py --out runs/first --set persistence=0.9
    hank-mfg irf runs/first --shock productivity --size -0.01

Timing of a period: shocks are realized; aggregates are summed over households and prices form; all households
see the signal and choose consumption and next assets; then next period's shocks are drawn.
"""

import hank_mfg as hm


class MyModel(hm.Model):
    # The length of one model period: "year", "quarter" or "month". Filters (6.25, 1600 or 129600), the axes of figures
    # and annual rates follow from it; all parameters and rates are per period.
    period = "year"

    # Parameters: what each means, its range, and a value. Values can also come from a file of the same name beside this
    # one, MY_MODEL.toml, with a unit and a source for the table of the paper.
    discount_factor: float = hm.parameter("patience, per year", above=0, below=1, default=0.96)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log utility", above=0, default=2.0)
    capital_share: float = hm.parameter("share of income paid to capital", above=0, below=1, default=0.36)
    depreciation: float = hm.parameter("of capital, per year", at_least=0, at_most=1, default=0.08)
    persistence: float = hm.parameter("of log labor", above=-1, below=1, default=0.9)
    innovation_sd: float = hm.parameter("of log labor", above=0, default=0.2)
    productivity_persistence: float = hm.parameter("of log productivity", above=-1, below=1, default=0.8)
    productivity_sd: float = hm.parameter("innovation sd of log productivity", above=0, default=0.014)
    borrowing_limit: float = hm.parameter("lowest assets, in goods", at_most=0, default=0.0)
    maximum_assets: float = hm.parameter("top of the asset grid, in goods", above=0, default=200.0)

    # Shocks. `exponential` turns log labor into labor, `unit_mean` gives it mean one; a name is chosen freely and is
    # what the equations below read. Leave aggregate_shocks() out for an economy without aggregate risk; return a tuple
    # of shocks for several. hm.MarkovChain(transition, name=[...]) declares a chain by its matrix instead.
    def aggregate_shocks(self):
        return hm.AR1(
            "productivity",
            persistence=self.productivity_persistence,
            innovation_sd=self.productivity_sd,
            states=5,
            exponential=True,
            unit_mean=True,
        )

    def idiosyncratic_shock(self):
        return hm.AR1(
            "labor",
            persistence=self.persistence,
            innovation_sd=self.innovation_sd,
            states=7,
            exponential=True,
            unit_mean=True,
        )

    # What a household can hold, and what it likes.
    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    # A method of your own is fine: call it from the equations.
    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    # One household's contribution to each aggregate; the library sums them over households. `own` holds the household's
    # own shocks, `today` the aggregate ones.
    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor}

    # Prices follow from aggregates and shocks.
    def prices(self, today):
        factors = (today.capital, today.labor, today.productivity)
        return {
            "interest_rate": self.production().interest_rate(*factors),
            "wage": self.production().wage(*factors),
        }

    # Cash on hand: what a household can consume or save this period. It must be concave in
    # assets: the slope may fall (a higher rate on debt), but not rise, and there are no jumps.
    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    # What all households observe before choosing. Memory of it is a choice of the solver, not of the model.
    def signal(self, today):
        return {
            "productivity": today.productivity,
            "interest_rate": today.interest_rate,
            "wage": today.wage,
        }

    # Optional: further series for moments and impulse responses.
    def outcomes(self, today):
        return {"output": self.production().output(today.capital, today.labor, today.productivity)}

    # Optional: what is a "rate" (a decimal per period) or a "share" (a decimal, part of something), both reported in
    # percentage points. What is not named is a level: in percent where it stays above zero, else in its own units.
    def units(self):
        return {"interest_rate": "rate"}

    # Optional, and a good test of the rest: the goods that are left over, as a share of output; zero in equilibrium.
    def goods_market(self, today, choices, tomorrow):
        left = today.output + (1.0 - self.depreciation) * today.capital
        return (left - choices.consumption - tomorrow.capital) / today.output
