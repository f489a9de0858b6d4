from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.app import create_app
from backend.settings import SHIPPED_MODEL, Settings, SettingsError


def test_nothing_set_is_the_embedded_model_open_to_all() -> None:
    assert Settings.read({}) == Settings(model_dir=SHIPPED_MODEL)


def test_each_kind_of_setting_is_read() -> None:
    texts = {
        "LOG": "1",
        "model_dir": "/m",
        "cors_origins": "https://a.example, https://b.example,",
        "metrics": " Digits ",
        "canary_share": "2.5",
    }
    settings = Settings.read(texts)
    assert settings.log is True
    assert settings.model_dir == Path("/m")
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.metrics == "Digits"
    assert settings.canary_share == 2.5


def test_the_hash_of_a_key_and_a_canary_for_everybody_are_taken() -> None:
    whole = {"api_keys": "0123456789abcdef" * 4, "sagemaker_endpoint_name": "a", "canary": "b", "canary_share": "100"}
    settings = Settings.read(whole)
    assert (settings.api_keys, settings.canary_share) == (("0123456789abcdef" * 4,), 100)
    assert Settings.read({"canary_share": ""}).canary_share == 0


@pytest.mark.parametrize("text", ["0", "false", "no", "off", ""])
def test_a_switch_is_off(text: str) -> None:
    assert Settings.read({"log": text}).log is False


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_ENDPOINT_NAME", "digits-prod")
    monkeypatch.setenv("BACKEND_FALLBACK", "embedded")
    settings = Settings.from_environment()
    assert (settings.sagemaker_endpoint_name, settings.fallback) == ("digits-prod", "embedded")
    monkeypatch.delenv("SAGEMAKER_ENDPOINT_NAME")
    assert Settings.from_environment().sagemaker_endpoint_name == ""


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            {"raet_limit": "1 per minute", "Keys": ""},
            "no setting keys, raet_limit; there are sagemaker_endpoint_name, model",
        ),
        ({"fallback": "yes"}, 'BACKEND_FALLBACK is "embedded" or empty'),
        ({"api_keys": "plain"}, "^BACKEND_API_KEYS takes SHA-256 hashes: make one with `python -m backend.keys`.$"),
        ({"api_keys": "g" * 64}, "python -m backend.keys"),
        ({"api_keys": "A" * 64}, "python -m backend.keys"),
        ({"api_keys": f"{'a' * 64}, {'a' * 63}"}, "python -m backend.keys"),
        ({"log": "perhaps"}, "BACKEND_LOG"),
        ({"labels": "a, b, a"}, "twice: a, b, a.$"),
        ({"canary": "b"}, "^BACKEND_CANARY stands beside SAGEMAKER_ENDPOINT_NAME, which is empty.$"),
        (
            {"sagemaker_endpoint_name": "https://a"},
            "^SAGEMAKER_ENDPOINT_NAME is .*, of letters, digits .*, not its address or ARN.$",
        ),
        ({"canary": "arn:b", "sagemaker_endpoint_name": "a"}, "BACKEND_CANARY is .*endpoint's name alone"),
        ({"canary": "b", "sagemaker_endpoint_name": "a", "canary_share": "101"}, "percent, from 0 to 100, not 101"),
        ({"canary_share": "nan"}, "percent, from 0 to 100, not nan"),
        ({"canary_share": "some"}, 'BACKEND_CANARY_SHARE is a number, not "some"'),
    ],
    ids=str,
)
def test_a_setting_that_means_nothing_stops_the_start(texts: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.read(texts)


def test_a_missing_model_stops_the_start_and_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BACKEND_MODEL_DIR"):
        create_app({"model_dir": str(tmp_path)})


def test_every_setting_is_documented() -> None:
    assert Settings.__doc__
    for name in Settings.__dataclass_fields__:
        assert re.search(rf"^ *{name} ", Settings.__doc__, re.MULTILINE)
