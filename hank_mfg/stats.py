"""Statistics of arrays: of a distribution over assets, of ages, and of time series."""

from hank_mfg.arguments import checked
from hank_mfg.evaluate.distribution.age_profile import age_profile as _age_profile
from hank_mfg.evaluate.distribution.statistics import distribution_table as _distribution_table
from hank_mfg.evaluate.distribution.statistics import gini as _gini
from hank_mfg.evaluate.distribution.statistics import lorenz_curve as _lorenz_curve
from hank_mfg.evaluate.distribution.statistics import quantile as _quantile
from hank_mfg.evaluate.distribution.statistics import top_share as _top_share
from hank_mfg.evaluate.moments import hamilton_filter as _hamilton_filter
from hank_mfg.evaluate.moments import hp_filter as _hp_filter

age_profile = checked(_age_profile)
distribution_table = checked(_distribution_table)
gini = checked(_gini)
hamilton_filter = checked(_hamilton_filter)
hp_filter = checked(_hp_filter)
lorenz_curve = checked(_lorenz_curve)
quantile = checked(_quantile)
top_share = checked(_top_share)
