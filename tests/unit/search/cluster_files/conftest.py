"""An empty AWS account, of moto, and a home without a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REGION = "us-east-1"
SSH_FROM, IMAGE = "203.0.113.7/32", "ami-0123456789abcdef0"  # moto knows neither of them


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has Ray's token, credentials, and nothing else; the current folder is empty."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("token")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def aws(home: Path) -> Iterator[None]:
    """An account that has what every new one has: a default VPC in each region."""
    pytest.importorskip("boto3", reason="boto3 is missing: pip install '.[cluster]'")
    moto = pytest.importorskip("moto", reason="moto is missing: pip install '.[test]'")
    with moto.mock_aws():
        yield


@pytest.fixture
def make(aws: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Set up with these options; return the exit status, what was printed, and the errors."""
    from search.cluster_files.setup import main

    def run(*options: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["--ssh-from", SSH_FROM, "--image", IMAGE, *options])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def remove(aws: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Remove with these options; return as `make` does."""
    from search.cluster_files.remove import main

    def run(*options: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*options])
        return (status, *capsys.readouterr())

    return run
