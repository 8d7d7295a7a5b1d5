"""Any text after a flag gives a configuration, or one error that names the flag or the setting."""

import pytest
from absl import flags
from hostile_edits import TOKENS
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.cli import config_flags
from videolstm_jax.config import PredictConfig
from videolstm_jax.errors import ConfigError

EXAMPLES = 40
NAMES = [flag.name for flag in config_flags.setting_flags()]
TEXTS = st.one_of(
    st.sampled_from([token.decode("latin1") for token in TOKENS]),
    st.text(max_size=8),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.integers(-2, 300), max_size=6).map(lambda row: ",".join(map(str, row))),
)


def read(define, read_values, arguments):
    values = flags.FlagValues()
    define(values)
    values(["command", *arguments])
    return read_values(values)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), min_size=1, max_size=3))
def test_settings(changes):
    arguments = [f"--{name}={text}" for name, text in changes]
    try:
        read(config_flags.define_all_flags, config_flags.config_of_flags, arguments)
    except (ConfigError, flags.Error) as error:
        # Some checks are of two settings of one section, and name either.
        parts = [part for name, _ in changes for part in name.split(".")]
        assert any(part in str(error) for part in parts)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.data())
def test_flags_of_one_command(data):
    rows = list(config_flags.record_flags(PredictConfig))

    def define(values):
        for flag in rows:
            config_flags.define_flag(values, flag)

    flag, text = data.draw(st.sampled_from(rows)), data.draw(TEXTS)
    # Both are required; a flag that is given twice has the last value.
    arguments = ["--model=a", "--video=b", f"--{flag.name}={text}"]
    try:
        read(define, lambda values: config_flags.record_of_flags(values, PredictConfig), arguments)
    except (ConfigError, flags.Error) as error:
        assert flag.name in str(error)


def test_an_unknown_flag_is_named():
    with pytest.raises(flags.UnrecognizedFlagError, match=r"data\.nonsense"):
        read(config_flags.define_all_flags, config_flags.config_of_flags, ["--data.nonsense=1"])
