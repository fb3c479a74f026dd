"""hank_mfg: heterogeneous-agent economies as mean-field games with common noise."""

from hank_mfg.model.assets import Assets
from hank_mfg.model.base import Model, parameter
from hank_mfg.model.preferences import CRRA
from hank_mfg.model.production import CobbDouglas
from hank_mfg.model.shocks import AR1, ConditionalChain, MarkovChain, split_joint_chain
