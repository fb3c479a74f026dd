"""The declaration of an economy: fields are parameters, methods are the equations.

Timing inside period t, everywhere: shocks are realized; the population is the mass over (assets chosen at t-1,
idiosyncratic state); aggregates are summed and prices form; households see the public signal and choose; utility
accrues; then next period's aggregate shock is drawn and idiosyncratic states move.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from hank_mfg.errors import HankError
from hank_mfg.model.ages import Ages
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.model.preferences import CRRA
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.model.today import names_returned, read_equations
from hank_mfg.model.units import check_period


class ParameterError(HankError, ValueError):
    """A parameter that a model does not have, or a value that it cannot have; `parameter` is its name."""

    def __init__(self, message: str, parameter: str):
        super().__init__(message)
        self.parameter = parameter


def parameter(
    about: str = "",
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a parameter of a `Model`, with what it means and the range that makes sense.

    `above`/`below` are strict bounds, `at_least`/`at_most` weak ones; arrays are checked entry by entry. A parameter
    without `default` takes its value from the calibration file or the constructor.
    """
    bounds = {"above": above, "at_least": at_least, "below": below, "at_most": at_most}
    metadata = {"about": about, "bounds": {k: v for k, v in bounds.items() if v is not None}}
    if default is dataclasses.MISSING:
        return eqx.field(metadata=metadata, kw_only=True)
    if isinstance(default, list):
        return eqx.field(metadata=metadata, kw_only=True, default_factory=lambda: list(default))
    return eqx.field(metadata=metadata, kw_only=True, default=default)


def choice(about: str = "", *, options: tuple[str, ...] | tuple[int, ...], default: str | int) -> Any:
    """Declare a field of a `Model` that is one of several words, such as what households observe, or one of several
    whole numbers that count something, such as periods remembered: equations compare it, nothing differentiates it."""
    return eqx.field(static=True, kw_only=True, default=default, metadata={"about": about, "options": tuple(options)})


_TESTS = {
    "above": (lambda value, bound: value > bound, "must be above {}"),
    "at_least": (lambda value, bound: value >= bound, "must be at least {}"),
    "below": (lambda value, bound: value < bound, "must be below {}"),
    "at_most": (lambda value, bound: value <= bound, "must be at most {}"),
}


def _check_parameter(model: str, field: dataclasses.Field, value: Any) -> None:
    try:
        numbers = np.asarray(value, dtype=float)
    except Exception as error:  # a JAX tracer has no value to check; anything else is not a number
        if eqx.is_array(value) or "Tracer" in type(value).__name__:
            return
        message = f"{model}.{field.name} = {value!r} is not a number: give a number or a list."
        raise ParameterError(message, field.name) from error
    rules = [
        (test(numbers, bound), words.format(bound))
        for name, bound in field.metadata.get("bounds", {}).items()
        for test, words in [_TESTS[name]]
    ]
    if field.type in (float, int) and numbers.ndim:
        raise ParameterError(
            f"{model}.{field.name} = {value!r} is a list, and {field.name} is one number: give one, or declare the "
            "field as a list.",
            field.name,
        )
    finite = np.all(np.isfinite(numbers))
    if all(np.all(ok) for ok, _ in rules) and finite:
        return
    demand = " and ".join(words for _, words in rules) if finite else "must be finite"
    about = field.metadata.get("about")
    raise ParameterError(
        f"{model}.{field.name} = {value}: {field.name}{f' ({about})' if about else ''} {demand}; "
        "change it in the calibration or where it is given by hand.",
        field.name,
    )


@portable
class Model(eqx.Module):
    """A heterogeneous-agent economy, declared.

    Subclass it; fields made with `parameter(...)` are its parameters (JAX leaves: differentiate and `vmap` over
    them), methods are its equations. There are no grids and no algorithms in a model. Arrays broadcast: `assets` has
    shape (assets, 1), idiosyncratic values (1, income), everything aggregate is a scalar.

    Required methods
        idiosyncratic_shock()   a `MarkovChain`, `AR1` or `ConditionalChain`; `independent_chains` of several, one of
                                them `permanent_types` where households differ for good
        asset_space()           an `Assets`, or a dict of two by name, the liquid one first
        preferences()           a `CRRA`, or a `Separable` or `GHH` together with hourly_wage()
        aggregates(assets, own, today)  dict name -> contribution of one household, summed over the mass
        prices(today)                   dict name -> price
        resources(assets, own, today)   cash on hand before consumption and saving, goods per period
        signal(today)                   dict name -> what all households observe; memory is a setting of the method
    Optional
        aggregate_shocks()      one shock or a tuple of independent ones; none by default (a stationary economy)
        outcomes(today)                           dict name -> further series to report, such as output
        units()                                   dict name -> "rate", "share" or "level": how a series is reported
        goods_market(today, choices, tomorrow)    excess supply of goods relative to output, zero in equilibrium
        discounting(own, today)                   beta between today and tomorrow, where it differs or moves
        hourly_wage(own, today)                   what an hour earns, where preferences() are Separable or GHH
        asset_price(today)                        q, what one unit of the chosen assets costs; one unless declared
        adjustment_cost(assets_next, assets, today)   with two assets, what changing the second costs
        choice_sums(choices, own, today)          dict name -> what else is summed of choices, by household
    For prices that clear inside the period
        clearing_prices()                         dict name -> `Bracket`: found every period such that markets clear
        excess_demand(today, choices)             dict market -> demand less supply, one for every clearing price
    For aggregate state variables other than the distribution, such as a promised rate or public debt
        state_variables()                         dict name -> value in the first period
        next_state(today)                         dict name -> value next period
    For equations that look ahead, such as Tobin's Q, the price of a share, or a Phillips curve
        expectations(today, tomorrow)             dict name -> quantity: its expectation is today.expected.name
    For firms that set prices
        profit(price, before, today)              one firm's profit at its price relative to the price level
        profit_discounting(today, tomorrow)       the value today of a unit of profit tomorrow

    Every equation reads one namespace, `today`, by name: `today.wage`. It grows in the order of the period: first the
    shocks, which is all that aggregates() and discounting() read; then state variables, aggregates and clearing prices,
    for prices(); then what prices() returns, for signal() and outcomes(); then outcomes, for the equations of markets
    and firms; and expectations, for excess_demand(). resources(), hourly_wage() and asset_price() read shocks and
    prices, which households take as given.

    A field named `discount_factor` is required. `period = "quarter"` (or "year", "month") in the class says how long a
    model period is; the smoothing of filters, the axes of figures and annual rates follow from it.
    """

    if TYPE_CHECKING:
        discount_factor: Any

    period: str = eqx.field(static=True, kw_only=True, default="")

    def __init_subclass__(cls, **options):
        """Make `period = "quarter"` in the body of a class the value of the field `period`."""
        super().__init_subclass__(**options)
        read_equations(cls)
        value = vars(cls).get("period")
        if value is not None and not isinstance(value, dataclasses.Field):
            cls.__annotations__ = {**vars(cls).get("__annotations__", {}), "period": str}
            cls.period = eqx.field(static=True, kw_only=True, default=value)

    def aggregate_shocks(self):
        """The shocks common to all households: none unless declared."""
        return ()

    def idiosyncratic_shock(self):
        """The shock that hits each household separately."""
        raise NotImplementedError

    def discounting(self, own, today):
        """The discount factor between today and tomorrow of a household in state `own` today: the field by default.

        Patience that differs is a quantity of the idiosyncratic chain, `return own.patience`, and patience that moves
        an aggregate shock: `return self.discount_factor * today.patience`.
        """
        return self.discount_factor

    def asset_space(self) -> Any:
        """The assets that a household can hold: one `Assets`, or two by name, `{"liquid": hm.Assets(...), "illiquid":
        hm.Assets(...)}`, the first of which is changed at no cost. Equations then read `assets.liquid`, and choices are
        `liquid_savings`, `illiquid_savings` and `adjustment_costs`."""
        raise NotImplementedError

    def asset_names(self) -> tuple[str, ...]:
        """Names of the assets of a household that has two; none where there is one."""
        return tuple(space) if isinstance(space := self.asset_space(), dict) else ()

    def adjustment_cost(self, assets_next, assets, today):
        """What it costs, in goods, to choose `assets_next` holding `assets`, both by name; nothing unless declared.

        The budget is c + a'_1 + a'_2 + cost = resources(assets), plus earnings where hours are chosen. The cost may
        depend on the second asset and on `today`, as resources() do; it is smooth and convex in the next one, since
        choices meet first-order conditions, (1 + cost_1) u'(c) = E[beta V_2'] for the second asset.
        """
        return 0.0

    def choice_sums(self, choices, own, today) -> dict:
        """What else is summed over households of their choices, by name; nothing unless declared.

        `choices` holds what a household chose, `today` prices and shocks. The sums are choices like the others: with
        {"worth": own.skill * choices.consumption ** -self.risk_aversion} excess_demand() reads `choices.worth`.
        """
        return {}

    def ages(self) -> Ages | None:
        """How long households live, where lives end: None, for ever, unless declared. Equations then read `own.age`,
        and `today.estates` is what the dead left, see `Ages`."""
        return None

    def preferences(self) -> CRRA:
        """Flow utility of consumption."""
        raise NotImplementedError

    def aggregates(self, assets, own, today) -> dict:
        """One household's contribution to each aggregate; the library sums them over the mass."""
        raise NotImplementedError

    def prices(self, today) -> dict:
        """Prices, given shocks, state variables, aggregates and clearing prices."""
        raise NotImplementedError

    def resources(self, assets, own, today):
        """Cash on hand: what a household can consume or save this period, in goods.

        Every method solves savings by first-order conditions, which are sufficient where cash on
        hand is finite and concave in `assets`, in every own and aggregate state and at all prices
        that occur: d resources / d assets may fall (a higher rate on debt, progressive taxes), but
        not rise, and resources may not jump up. Where a benefit is lost above some assets they do;
        savings are then wrong in general, and Euler errors do not show it. `steady_state`, and so
        `solve`, looks in every aggregate state, at the equilibrium's aggregates and a tenth around
        them, and refuses what a search over all choices finds to cost more than .01 percent of
        consumption, or `nonconcave="allow"` says otherwise; results then say so in `nonconcave`.
        """
        raise NotImplementedError

    def signal(self, today) -> dict:
        """The public signals that every household sees at the start of the period."""
        raise NotImplementedError

    def outcomes(self, today) -> dict:
        """Further aggregate series to report; none unless declared."""
        return {}

    def units(self) -> dict[str, str]:
        """The kind of each series, by name: "rate" (a decimal per period), "share" (a decimal, part of something) or
        "level" (in units of its own, as is whatever is not named).

        Rates and shares are reported in percentage points; levels in percent where they stay above zero, otherwise in
        their own units. Names are those of aggregates, prices, outcomes, shocks, choices and what is carried over.
        """
        return {}

    def goods_market(self, today, choices, tomorrow):
        """Excess supply of goods as a fraction of output, or None where the model does not state it.

        The model's own accounting identity: it must be zero wherever household budgets hold and the other markets
        clear. It is asked by `show`, in equilibria, in linear responses and in every period of paths and simulations;
        more than 1e-6 is an error, so declare it: a mistake in prices() or resources() is found by it.

        `today` holds aggregates, prices, shocks and outcomes of this period; `choices` the chosen consumption and
        savings summed over the mass; `tomorrow` next period's aggregates.
        """
        return None

    def hourly_wage(self, own, today):
        """Hourly earnings after taxes, by idiosyncratic state, where households choose hours; else None.

        With it preferences() are `Separable` or `GHH`, and resources() leaves earnings out.
        """
        return None

    def asset_price(self, today):
        """The price today of one unit of next assets, q, in goods: one unless declared; positive, a number.

        The budget is c + q a' = resources(a), plus earnings where hours are chosen: a' is the face value, what
        resources() pays out next period, and the limits of asset_space() are on a'. A discount bond that pays one unit
        next period has q = 1 / (1 + r), and resources() then adds assets without interest. The first-order condition
        is q u'(c) = E[beta (d resources / d a') u'(c')]. Savings that a model reads elsewhere, in excess_demand() and
        goods_market(), are a', not q a'. Source: Huggett (1993), Journal of Economic Dynamics and Control 17(5-6).
        """
        return 1.0

    def sells_at_price(self) -> bool:
        """Whether the chosen asset has a price of its own, declared by asset_price()."""
        return type(self).asset_price is not Model.asset_price

    def chosen(self) -> tuple[str, ...]:
        """Names of what is chosen and summed over the mass."""
        works, assets = type(self).hourly_wage is not Model.hourly_wage, self.asset_names()
        savings = (*(f"{name}_savings" for name in assets), "adjustment_costs") if assets else ("savings",)
        return ("consumption", *savings, *(("hours", "earnings") if works else ()), *self.names_of_sums())

    def names_of_sums(self) -> tuple[str, ...]:
        """Names of what choice_sums() returns."""
        return names_returned(self.choice_sums, 3)

    def names_expected(self) -> tuple[str, ...]:
        """Names of what expectations() returns."""
        return names_returned(self.expectations, 2)

    def clearing_prices(self) -> dict:
        """Prices that are not a closed form of aggregates and shocks, each with its `Bracket`: none unless declared.

        They are solved for in every period, given households' choices at the price that they would then observe,
        until `excess_demand` is zero. They are prices like the others, and prices() reads them.
        """
        return {}

    def excess_demand(self, today, choices) -> dict:
        """Demand less supply in every market that clears inside the period, as many as there are clearing prices.

        `today` holds aggregates, prices, shocks and outcomes of this period; `choices` the chosen consumption, savings
        and, where hours are chosen, hours and earnings (hours times the wage), each summed over the mass. Relative to
        something of order one (supply, output), so that a residual of 1e-8 means the same in every model.
        """
        return {}

    def state_variables(self) -> dict:
        """Predetermined aggregate state variables other than the distribution, such as a promised rate or public debt,
        with values in the first period; none unless declared. prices() hands on what resources() needs of them."""
        return {}

    def next_state(self, today) -> dict:
        """The state variables of next period, given aggregates, prices, shocks and outcomes of `today`."""
        return {}

    unknowns, carried, carry = clearing_prices, state_variables, next_state  # names of earlier versions

    def expectations(self, today, tomorrow) -> dict:
        """Quantities of tomorrow, and of today, whose conditional expectation the period's equations read; none unless
        declared.

        `today` and `tomorrow` hold shocks, state variables, aggregates, prices and outcomes of two periods in a row.
        excess_demand() reads E[x(today, tomorrow) | today] as `today.expected.x`. A price that looks ahead is one that
        clears, with an equation of its own: the price p of a share that pays d,

            def clearing_prices(self):
                return {"share_price": hm.Bracket(1.0, 100.0)}

            def expectations(self, today, tomorrow):
                return {"share": (tomorrow.dividend + tomorrow.share_price) / (1 + tomorrow.interest_rate)}

            def excess_demand(self, today, choices):
                return {"share": today.expected.share - today.share_price}

        Globally each is one more output of a network, trained toward the exact expectation over every aggregate state
        that may follow; on a path of perfect foresight, and to first order, it is its value in the period after; at a
        stationary equilibrium tomorrow is today. Parameters in the formula are those of today, where they move.
        """
        return {}

    def profit(self, price, before, today):
        """One firm's profit F(p, q, today), in goods, where firms set prices; None where there are none.

        `price` p is its price relative to the price level, `before` q the same a period earlier, today's inflation in
        between. All firms are alike: p = q = 1, and each is content with its price when

            F_p(1, 1, today) + E[ L(today, tomorrow) F_q(1, 1, tomorrow) ] = 0,

        the Phillips curve. It is one more equation of the period, so clearing_prices() names one more than
        excess_demand(). Source: Rotemberg (1982), Journal of Political Economy 90(6), for the cost of changing a price.
        """
        return None

    def profit_discounting(self, today, tomorrow):
        """L, what firms give today for a unit of profit tomorrow, such as 1 / (1 + tomorrow.interest_rate)."""
        return self.discount_factor

    def sets_prices(self) -> bool:
        """Whether there are firms that set prices."""
        return type(self).profit is not Model.profit

    def __check_init__(self):
        name = type(self).__name__
        fields = {field.name: field for field in dataclasses.fields(self)}
        if "discount_factor" not in fields:
            raise ValueError(
                f"{name} declares no discount_factor: add "
                "`discount_factor: float = parameter('patience per period', above=0, below=1)`."
            )
        if not fields["period"].metadata.get("static"):
            raise ValueError(
                f"{name}.period is the length of a model period, written period = 'quarter' in the class: give the "
                "parameter another name."
            )
        check_period(self.period, f"{name}.period")
        for field in fields.values():
            value = getattr(self, field.name)
            if "bounds" in field.metadata:
                _check_parameter(name, field, value)
            if "options" in field.metadata and value not in field.metadata["options"]:
                raise ParameterError(
                    f"{name}.{field.name} = {value!r}: {field.name} ({field.metadata['about']}) is one of "
                    f"{', '.join(map(repr, field.metadata['options']))}.",
                    field.name,
                )
        missing = [method for method in REQUIRED_METHODS if getattr(type(self), method) is getattr(Model, method)]
        if missing:
            raise ValueError(
                f"{name} does not define {', '.join(f'{m}()' for m in missing)}: every model needs "
                f"{', '.join(REQUIRED_METHODS)}; `hank-mfg new my_model.py` writes a complete example."
            )

    def parameters(self) -> dict[str, Any]:
        """Parameter values by name, in the order declared."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if "bounds" in f.metadata}

    def with_parameters(self, **changes) -> "Model":
        """The same economy with some parameters changed, checked again. Raises ValueError for an unknown name."""
        check_names(type(self), changes)
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return type(self)(**{**fields, **changes})


REQUIRED_METHODS = (
    "idiosyncratic_shock", "asset_space", "preferences", "aggregates", "prices", "resources", "signal",
)  # fmt: skip


def parameter_names(model_type: type[Model]) -> list[str]:
    """Names of the parameters that a model declares, in order."""
    return [f.name for f in dataclasses.fields(model_type) if "bounds" in f.metadata]


def choice_names(model_type: type[Model]) -> list[str]:
    """Names of the fields of a model that are one of several words or whole numbers, in order."""
    return [f.name for f in dataclasses.fields(model_type) if "options" in f.metadata]


def check_names(model_type: type[Model], given) -> None:
    """Raise ParameterError for the first of `given` that is not a parameter of the model, listing the known ones."""
    known = parameter_names(model_type) + choice_names(model_type)
    for name in given:
        if name not in known:
            raise ParameterError(
                f"{model_type.__name__} has no parameter '{name}'{did_you_mean(name, known)}: the parameters are "
                f"{', '.join(known) or 'none'}.",
                name,
            )


def named(label: str, values: Any, method: str) -> Named:
    """Wrap what a model's method returned. Raises TypeError when it is not a dict of names."""
    if not isinstance(values, dict | Named):
        raise TypeError(
            f"{method}() returned {type(values).__name__}: return a dict that names each quantity, "
            "for instance {'interest_rate': r, 'wage': w}."
        )
    return Named(label, values)
