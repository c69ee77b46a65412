"""`config-autoscaler`: what it accepts, and what it says of what it refuses."""

import pytest

from utsuwa.model.config_autoscaler import AutoscalerConfig


def test_no_data_means_the_defaults_of_the_original() -> None:
    """`spec/autoscaling.md` §1."""
    config = AutoscalerConfig.parse({})
    assert config.container_concurrency_target_fraction == 0.7
    assert config.target_burst_capacity == 211
    assert (config.stable_window, config.panic_window_percentage) == (60, 10)
    assert (config.scale_to_zero_grace_period, config.max_scale) == (30, 0)


@pytest.mark.parametrize(
    ("text", "fraction"), [("100", 1.0), ("1.0", 1.0), ("0.6", 0.6), ("60", 0.6)]
)
def test_a_percentage_above_one_is_a_percentage(text: str, fraction: float) -> None:
    """Values up to 1 are fractions, for old settings' sake."""
    config = AutoscalerConfig.parse({"container-concurrency-target-percentage": text})
    assert config.container_concurrency_target_fraction == fraction


def test_unknown_keys_are_ignored() -> None:
    """ConfigMaps carry an `_example` block."""
    assert AutoscalerConfig.parse({"_example": "text"}) == AutoscalerConfig()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stable-window", "5s", "stable-window: expected 6s to 1h0m0s, in whole seconds, found 5s"),
        ("stable-window", "60", "stable-window: duration '60'"),
        ("max-scale-up-rate", "1", "max-scale-up-rate: expected more than 1, found 1"),
        ("max-scale", "1.5", "max-scale: expected an integer, found '1.5'"),
        ("min-scale", "-1", "min-scale: expected 0 or more, found -1"),
        ("initial-scale", "0", "initial-scale: expected at least 1"),
        (
            "enable-scale-to-zero",
            "yes",
            "enable-scale-to-zero: expected true or false, found 'yes'",
        ),
        ("target-burst-capacity", "-2", "target-burst-capacity: expected 0 or more, or -1"),
        ("target-burst-capacity", "nan", "target-burst-capacity: expected a number, found 'nan'"),
    ],
)
def test_a_refused_value_is_named_with_what_was_expected(
    key: str, value: str, message: str
) -> None:
    """Key, expected, found."""
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as caught:
        AutoscalerConfig.parse({key: value})
    assert str(caught.value).startswith(f"{key}: ")


def test_a_minimum_above_the_maximum_is_refused() -> None:
    """Between two keys, the one to lower is named."""
    with pytest.raises(ValueError, match="min-scale: expected at most max-scale, found 5"):
        AutoscalerConfig.parse({"min-scale": "5", "max-scale": "3"})


def test_a_limit_needs_a_maximum_within_it() -> None:
    """With max-scale-limit set, no limit by default would break it."""
    with pytest.raises(ValueError, match=r"max-scale: .*found 0"):
        AutoscalerConfig.parse({"max-scale-limit": "10"})
    assert AutoscalerConfig.parse({"max-scale-limit": "10", "max-scale": "10"}).max_scale == 10


def test_an_initial_scale_of_zero_needs_permission() -> None:
    """`allow-zero-initial-scale`."""
    data = {"initial-scale": "0", "allow-zero-initial-scale": "true"}
    assert AutoscalerConfig.parse(data).initial_scale == 0
