"""Names and arguments of earlier versions work, warn, and mean what they meant."""

import pytest

import hank_mfg as hm
from hank_mfg.arguments import checked


@pytest.mark.parametrize(
    ("old", "new"),
    [("GameError", "SolveError"), ("load_game_run", "load_run"), ("solve_game", "solve"),
     ("solve_game_run", "solve_run"), ("game_exploitability", "exploitability")],
)  # fmt: skip
def test_an_old_name_is_the_new_one(old, new):
    with pytest.warns(DeprecationWarning, match=f"hm.{old} is now hm.{new}: change the name"):
        assert getattr(hm, old) is getattr(hm, new)


def test_the_old_deviation_of_games_is_the_regression_not_the_clairvoyant_bound():
    with pytest.warns(DeprecationWarning, match="hm.game_deviation is now hm.exploitability with kind='regression'"):
        old = hm.game_deviation
    assert old.func is hm.exploitability and old.keywords == {"kind": "regression"}


def test_old_arguments_are_read_and_both_at_once_are_refused():
    @checked
    def solve(problem: object, *, seed: int = 0, callback: object = None):
        return problem, seed, callback

    with pytest.warns(DeprecationWarning) as caught:
        assert solve(game=1, key=2, watch=print) == (1, 2, print)
    said = {str(each.message).partition(":")[0] for each in caught}
    assert said == {f"solve({old}=...) is now {new}=..." for old, new in
                    (("game", "problem"), ("key", "seed"), ("watch", "callback"))}  # fmt: skip
    with pytest.raises(TypeError, match="key"):
        solve(1, key=2, seed=3)
