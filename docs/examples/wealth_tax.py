"""Two assets and a tax on net worth: capital is held in deposits and in accounts that are costly to change.

Banks keep a premium of the return on deposits; the tax is handed out evenly.
"""

import hank_mfg as hm


class WealthTax(hm.Model):
    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.98)
    premium: float = hm.parameter("what banks keep of the return on deposits", at_least=0, default=0.01)
    scale: float = hm.parameter("of the cost of changing accounts", above=0, default=5.0)
    shift: float = hm.parameter("keeps this cost finite where nothing is held", above=0, default=0.25)
    wealth_tax: float = hm.parameter("on net worth, per quarter", at_least=0, below=1, default=0.005)

    def idiosyncratic_shock(self):
        return hm.AR1("skill", persistence=0.966, stationary_sd=0.6, states=3, exponential=True, unit_mean=True)

    def asset_space(self):  # the liquid asset first
        return {"deposits": hm.Assets(0.0, 40.0, pivot=0.25), "accounts": hm.Assets(0.0, 400.0, pivot=0.25)}

    def preferences(self):
        return hm.CRRA(2.0)

    def aggregates(self, assets, own, today):
        return {"deposits": assets.deposits, "accounts": assets.accounts, "labor": own.skill}

    def firm(self):
        return hm.CobbDouglas(0.33, 0.02)

    def prices(self, today):
        inputs = (today.deposits + today.accounts, today.labor, 0.4678)
        rate = self.firm().interest_rate(*inputs)
        return {
            "interest_rate": rate,
            "wage": self.firm().wage(*inputs),
            "deposit_return": rate - self.premium - self.wealth_tax,
            "account_return": rate - self.wealth_tax,
            "transfer": self.wealth_tax * (today.deposits + today.accounts),
        }

    def resources(self, assets, own, today):
        held = (1 + today.deposit_return) * assets.deposits + (1 + today.account_return) * assets.accounts
        return held + today.wage * own.skill + today.transfer

    def adjustment_cost(self, assets_next, assets, today):
        kept = (1 + today.account_return) * assets.accounts  # what is left alone earns its return and pays the tax
        return self.scale / 2 * (assets_next.accounts - kept) ** 2 / (kept + self.shift)

    def signal(self, today):
        return {"deposit_return": today.deposit_return, "account_return": today.account_return, "wage": today.wage}

    def outcomes(self, today):
        return {"output": self.firm().output(today.deposits + today.accounts, today.labor, 0.4678)}

    def units(self):
        return dict.fromkeys(("interest_rate", "deposit_return", "account_return"), "rate")

    def goods_market(self, today, choices, tomorrow):
        capital, capital_next = today.deposits + today.accounts, tomorrow.deposits + tomorrow.accounts
        spent = choices.consumption + choices.adjustment_costs + self.premium * today.deposits
        return (today.output + (1 - 0.02) * capital - capital_next - spent) / today.output
