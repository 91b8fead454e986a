"""The cluster that a search joins: by option, by environment, or by what `ray start` left; else none."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search import run
from search.execution import address
from search.execution.address import Address, address_of
from search.machine import MachineError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that names no cluster; `ray start` would leave its address in the folder "ray" of this one."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """An address at which each connection is given an answer, and no other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            kept = []
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:  # it is closed
                    return
                kept[-1].sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def listening() -> Iterator[str]:
    """An address at which something answers as Ray does; that Ray itself does so is seen in whole searches."""
    with answering(address.SETTINGS) as where:
        yield where


@pytest.fixture
def silent() -> str:
    """An address at which nothing listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def started(temporary: Path, address: str) -> None:
    (temporary / "ray" / "ray_current_cluster").write_text(f"{address}\n")


@pytest.mark.parametrize("given", [None, "local"])
def test_without_a_cluster_a_search_is_on_this_machine(given: str | None) -> None:
    assert address_of(given) is None


def test_the_option_comes_before_the_environment(listening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nowhere.invalid:1")
    assert address_of(listening) == Address(listening, f"--address {listening}")
    assert address_of("local") is None


@pytest.mark.parametrize("given", [None, "auto"])
def test_the_environment_comes_before_what_was_started(
    given: str | None, listening: str, silent: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(temporary, silent)
    monkeypatch.setenv("RAY_ADDRESS", listening)
    assert address_of(given) == Address(listening, f"RAY_ADDRESS {listening}")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert address_of(given) is None


@pytest.mark.parametrize("given", [None, "auto"])
def test_a_ray_that_was_started_here_is_joined(given: str | None, listening: str, temporary: Path) -> None:
    started(temporary, listening)
    assert address_of(given) == Address(listening, f"`ray start` at {listening}")


def test_one_that_does_not_answer_any_more_is_not(silent: str, temporary: Path) -> None:
    started(temporary, silent)
    assert address_of(None) is None
    with pytest.raises(MachineError, match="--address auto: no Ray runs here"):
        address_of("auto")


@pytest.mark.parametrize(("answer", "reason"), [(b"-ERR unknown command\r\n", "is not Ray"), (b"", "timed out")])
def test_what_listens_at_rays_port_and_is_not_ray_is_not_joined(
    answer: bytes, reason: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "WAIT", 0.5)
    with answering(answer) as where:
        started(temporary, where)
        assert address_of(None) is None
        with pytest.raises(MachineError, match=rf"--address {where}: no Ray cluster can be reached there .*{reason}"):
            address_of(where)


def test_nor_is_that_of_another_user(listening: str, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(temporary, listening)
    monkeypatch.setattr("os.getuid", lambda: -1)
    assert address_of(None) is None


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "ray://head:10001", "head", "127.0.0.1:0x1"])
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match=r"^--address .* \(give HOST:PORT\)$"):
        address_of(address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(MachineError, match=r"^RAY_ADDRESS .* \(give HOST:PORT\); --address local searches on this"):
        address_of(None)


def test_an_address_that_does_not_answer_is_one_line_and_no_search(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", silent)
    monkeypatch.setenv("SEARCH_STORAGE", str(tmp_path / "runs"))
    assert run.main(["--space", "widths"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"search/run.py: RAY_ADDRESS {silent}: no Ray cluster can be reached there")
    assert printed.err.count("\n") == 1
    assert f"SEARCH_STORAGE {tmp_path / 'runs'}: the runs are there" in printed.out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("options", "place"), [([], "environment"), (["--storage-path", "option"], "option")])
def test_runs_are_where_the_option_says_or_else_the_environment(
    options: list[str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEARCH_STORAGE", "environment")
    assert run.main(["--resume", "first", *options]) == 2
    assert f"there is no such run in {tmp_path / place};" in capsys.readouterr().err
