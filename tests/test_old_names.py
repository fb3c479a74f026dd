"""Names and arguments of earlier versions work, warn, and mean what they meant."""

import dataclasses

import pytest

import hank_mfg as hm
from hank_mfg.arguments import checked
from hank_mfg.model.codec import assemble
from hank_mfg.solve.play.rollout import State
from hank_mfg.solve.settings import changed

OLD_SETTINGS = {  # by their old names, and by their new ones
    hm.RSPG: ({"passes": 3, "trace": 0.5, "spread": 0.1, "tremble": 0.2},
              {"epochs": 3, "td_lambda": 0.5, "uniform_weight": 0.1, "price_noise": 0.2}),
    hm.GameRSPG: ({"passes": 3, "spread": 0.1, "action_spread": 0.2},
                  {"epochs": 3, "uniform_weight": 0.1, "uniform_action_weight": 0.2}),
}  # fmt: skip


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


@pytest.mark.parametrize("kind", OLD_SETTINGS)
def test_old_settings_are_read_and_warn_at_the_line_that_gives_them(kind):
    old, new = OLD_SETTINGS[kind]
    with pytest.warns(DeprecationWarning) as caught:
        settings = kind(**old, paths=4)
    assert settings == kind(**new, paths=4)
    assert [str(each.message) for each in caught] == [
        f"{kind.__name__}({before}=...) is now {after}=...: change the name."
        for before, after in zip(old, new, strict=True)
    ]
    assert {each.filename for each in caught} == {__file__}
    for before, after in zip(old, new, strict=True):
        with pytest.warns(DeprecationWarning, match=f"{kind.__name__}.{before} is now {after}") as caught:
            assert getattr(settings, before) == getattr(settings, after)
        assert caught[0].filename == __file__


def test_the_methods_without_memory_read_old_settings_too():
    for make in (hm.SPG, hm.GameSPG):
        with pytest.warns(DeprecationWarning, match="passes=...") as caught:
            assert make(passes=3) == make(epochs=3)
        assert caught[0].filename == __file__


def test_an_old_setting_beside_its_new_name_is_refused():
    with pytest.raises(TypeError, match=r"RSPG\(passes=3, epochs=4\): passes is now epochs: give epochs only"):
        hm.RSPG(passes=3, epochs=4)
    with pytest.raises(TypeError, match="give epochs only"):
        dataclasses.replace(hm.RSPG(), passes=3)
    with pytest.raises(AttributeError, match="'IPPO' object has no attribute 'passes'"):
        _ = hm.IPPO().passes
    with pytest.raises(TypeError, match="passes"):
        hm.IPPO(passes=3)


def test_old_options_of_the_command_line_are_read():
    with pytest.warns(DeprecationWarning, match="--option passes is now --option epochs"):
        assert changed(hm.RSPG(), ["passes=3", "updates=5"]) == hm.RSPG(epochs=3, updates=5)
    with pytest.warns(DeprecationWarning), pytest.raises(ValueError, match="epochs is given twice"):
        changed(hm.RSPG(), ["epochs=4", "passes=3"])


@pytest.mark.parametrize("kind", OLD_SETTINGS)
def test_settings_in_files_of_earlier_versions_are_read_without_a_warning(kind):
    old, new = OLD_SETTINGS[kind]
    assert assemble(kind, {**old, "paths": 4}) == kind(**new, paths=4)


def test_states_in_files_of_earlier_versions_are_read_without_a_warning():
    fields = dict.fromkeys(State._fields)
    del fields["price_noise"]
    assert assemble(State, {**fields, "tremble": 0.5}).price_noise == 0.5
