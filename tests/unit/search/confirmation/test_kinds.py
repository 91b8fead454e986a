"""A confirmation compares the values of the fields that the space, or --confirm-by, names."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.statistics.kinds import Kinds
from search.confirmation.contenders import contenders
from search.confirmation.kinds import fields_compared
from search.declaration import SettingsError
from search.machine import Machine
from search.settings import Settings
from search.space.load import known, load
from trainables.report import Report

ACTIVATION = "network/cnn/activation"
MACHINE = Machine(cpus=2, gpus=0)


def settings(space: str, *confirm_by: str) -> Settings:
    return Settings.resolve({"name": "run", "confirm_by": confirm_by}, space, "", MACHINE)


@pytest.mark.parametrize("name", [name for name in known() if name != "samplers"])
def test_every_space_names_fields_of_its_own(name: str) -> None:
    space = load(name, {})
    assert set(fields_compared(settings(name), space)) == set(space.confirm_by) <= set(space.names)


@pytest.mark.parametrize("given", ["widths", "network.cnn.widths", "network/cnn/widths"])
def test_a_field_is_given_as_set_takes_it(given: str) -> None:
    assert fields_compared(settings("widths", given), load("widths", {})) == ("network/cnn/widths",)


def test_what_is_fixed_is_not_compared() -> None:
    assert fields_compared(settings("activations"), load("activations", {"network.kind": "cnn"})) == (ACTIVATION,)
    cosine = load("schedules", {"schedule.kind": "cosine"})
    assert fields_compared(settings("schedules"), cosine) == ()
    assert fields_compared(settings("schedules", "schedule.kind", "training.target"), cosine) == ("training/target",)


def test_a_search_that_begins_with_the_options_of_another_may_fix_what_that_compared() -> None:
    saved = settings("activations").saved()["confirm_by"]
    assert fields_compared(settings("activations", *saved), load("activations", {"network.kind": "cnn"})) == (
        ACTIVATION,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "--confirm-by nonsense: unknown field nonsense"),
        ("training.batch", "--confirm-by training.batch: space widths does not vary it; give one of network.cnn.width"),
        ("training.lr", "--confirm-by training.lr: a real number has no kinds; give one of network.cnn.widths, "),
    ],
)
def test_what_has_no_kinds_is_refused_with_what_would_be_right(given: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        fields_compared(settings("widths", given), load("widths", {}))
    assert str(raised.value).startswith(message)


def test_a_space_of_ones_own_that_names_an_unknown_field_is_refused() -> None:
    space = replace(load("widths", {}), confirm_by=("network/cnn/width",))
    with pytest.raises(SettingsError, match=r"space widths: CONFIRM_BY has network/cnn/width: unknown field .*widths"):
        fields_compared(settings("widths"), space)


@pytest.mark.parametrize(
    ("confirm_by", "chosen", "kind"),
    [
        ([ACTIVATION], ["002-a", "000-a", "003-a"], "network.cnn.activation=gelu"),
        (["none"], ["002-a", "001-a", "000-a"], ""),
        ([], ["002-a", "001-a", "000-a"], "a"),
    ],
)
def test_the_best_of_each_leading_value_contends(
    tmp_path: Path, confirm_by: list[str], chosen: list[str], kind: str
) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"confirm_by": confirm_by})
    trials = [("relu", 32.0), ("gelu", 30.5), ("gelu", 30.0), ("silu", 40.0)]
    for number, (activation, fmd) in enumerate(trials):
        name, variant = f"00{number}-a", {ACTIVATION: activation, "training/batch": number}
        run.append(Start(name, number, 0, "", variant))
        run.append(Report.from_dict({"trial": name, "images_seen": 900, "fmd": fmd}))
    assert [start.trial for start in contenders(run, 3, 900)] == chosen
    assert Kinds.of_run(run).of("002-a") == kind
