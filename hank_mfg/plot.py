"""Plots of results: each returns a Matplotlib figure, and `save` writes one as PDF and PNG."""

from hank_mfg.arguments import checked
from hank_mfg.report.age_figure import plot_age_profile as _plot_age_profile
from hank_mfg.report.compare_figures import plot_comparison as _plot_comparison
from hank_mfg.report.estimation_figures import plot_forecast as _plot_forecast
from hank_mfg.report.estimation_figures import plot_historical_decomposition as _plot_historical_decomposition
from hank_mfg.report.estimation_figures import plot_posterior as _plot_posterior
from hank_mfg.report.estimation_figures import plot_responses as _plot_responses
from hank_mfg.report.figures import plot_impulse_response as _plot_impulse_response
from hank_mfg.report.figures import plot_lorenz as _plot_lorenz
from hank_mfg.report.figures import plot_wealth_distribution as _plot_wealth_distribution
from hank_mfg.report.figures import save_figure as _save_figure
from hank_mfg.report.game_figures import plot_finite_population as _plot_finite_population
from hank_mfg.report.matching_figures import plot_matched_responses as _plot_matched_responses
from hank_mfg.report.optimum_figure import plot_optimum as _plot_optimum
from hank_mfg.report.path_figures import animate_distribution as _animate_distribution
from hank_mfg.report.path_figures import plot_distribution_path as _plot_distribution_path
from hank_mfg.report.path_figures import plot_intertemporal_mpcs as _plot_intertemporal_mpcs
from hank_mfg.report.path_figures import plot_transition as _plot_transition
from hank_mfg.report.welfare_figure import plot_welfare as _plot_welfare

age_profile = checked(_plot_age_profile, name="plot.age_profile")
animate_distribution = checked(_animate_distribution, name="plot.animate_distribution")
comparison = checked(_plot_comparison, name="plot.comparison")
distribution_path = checked(_plot_distribution_path, name="plot.distribution_path")
forecast = checked(_plot_forecast, name="plot.forecast")
historical_decomposition = checked(_plot_historical_decomposition, name="plot.historical_decomposition")
finite_population = checked(_plot_finite_population, name="plot.finite_population")
impulse_response = checked(_plot_impulse_response, name="plot.impulse_response")
intertemporal_mpcs = checked(_plot_intertemporal_mpcs, name="plot.intertemporal_mpcs")
lorenz = checked(_plot_lorenz, name="plot.lorenz")
matched_responses = checked(_plot_matched_responses, name="plot.matched_responses")
optimum = checked(_plot_optimum, name="plot.optimum")
posterior = checked(_plot_posterior, name="plot.posterior")
responses = checked(_plot_responses, name="plot.responses")
save = checked(_save_figure, name="plot.save")
transition = checked(_plot_transition, name="plot.transition")
welfare = checked(_plot_welfare, name="plot.welfare")
wealth_distribution = checked(_plot_wealth_distribution, name="plot.wealth_distribution")
