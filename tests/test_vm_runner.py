"""vm/run_in_vm.py on its bad days: an emulator that is not there, hangs, dies; a disk that is full; two runs at once.

The emulator is a shell script here. It finds the files of its run in its arguments, as the real one does.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "vm" / "run_in_vm.py"

# What every emulator here begins with: $run is the directory of its run.
PREAMBLE = """#!/bin/bash
for word in "$@"; do case $word in file,id=code,path=*) run=$(dirname "${word#file,id=code,path=}") ;; esac; done
"""
ENDS_WELL = 'echo hello > "$run/out"; echo booted > "$run/console"; echo "${CODE:-0}" > "$run/code"'

Install = Callable[[str], None]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_in_vm", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_in_vm", module)  # dataclasses look there
    spec.loader.exec_module(module)
    out = tmp_path / "out"
    (out / "image-1").mkdir(parents=True)
    for name in ("complete", "root.ext4", "vmlinuz", "initrd"):
        (out / "image-1" / name).touch()
    (out / "image").symlink_to("image-1")
    monkeypatch.setattr(module, "OUT", out)
    monkeypatch.setattr(module, "tree_files", lambda: [Path("Makefile")])
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    return module


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a script in the place of QEMU; other commands stay."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("setpriv", "git", "bash", "dirname", "sleep", "cat"):
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))

    def install(script: str) -> None:
        for name, text in (("qemu-system-x86_64", PREAMBLE + script), ("qemu-img", '#!/bin/bash\n: > "${@: -1}"\n')):
            (programs / name).write_text(text + "\n")
            (programs / name).chmod(0o755)

    return install


def run(runner: ModuleType, *options: str) -> int:
    code: int = runner.main(["--run-in", str(runner.OUT), *options, "true"])
    assert not list(runner.OUT.glob("run-*")), "its disks are still there"
    return code


def refused(runner: ModuleType, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as caught:
        run(runner, *options)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 3])
def test_the_commands_own_code_and_output(
    runner: ModuleType, emulator: Install, capfdbinary: pytest.CaptureFixture[bytes], code: int
) -> None:
    emulator(f"CODE={code}; {ENDS_WELL}")
    assert run(runner) == code
    assert b"hello\n" in capfdbinary.readouterr().out
    assert (runner.OUT / "results/v2/console.log").read_text() == "booted\n"


def test_a_machine_that_dies_is_a_failure_with_its_console(
    runner: ModuleType, emulator: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator("""
        echo "half of the tests" > "$run/out"
        echo "Kernel panic - not syncing" > "$run/console"; echo "no such device" >&2; exit 1""")
    assert run(runner) == 125
    told = capfd.readouterr().err
    assert "the machine died" in told
    assert "no such device" in told
    assert "Kernel panic" in told
    assert "Kernel panic" in (runner.OUT / "results/v2/console.log").read_text()
    assert (runner.OUT / "results/v2/output.log").read_text() == "half of the tests\n"


def test_a_machine_that_hangs_is_ended(
    runner: ModuleType, emulator: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator('echo stuck > "$run/console"; echo begun > "$run/out"; exec sleep 1000')
    assert run(runner, "--limit", "1") == 124
    told = capfd.readouterr().err
    assert "time limit of 1 s" in told
    assert "stuck" in told


def test_a_machine_that_does_not_come_up_is_ended_sooner(
    runner: ModuleType, emulator: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator("exec sleep 1000")
    assert run(runner, "--boot-limit", "1") == 125
    assert "did not come up in 1 s" in capfd.readouterr().err


def test_no_emulator_is_a_failure(runner: ModuleType, emulator: Install, capsys: pytest.CaptureFixture[str]) -> None:
    assert "qemu-system-x86_64 is not installed" in refused(runner, capsys)


def test_no_image_is_a_failure(runner: ModuleType, emulator: Install, capsys: pytest.CaptureFixture[str]) -> None:
    emulator(ENDS_WELL)
    (runner.OUT / "image-1/complete").unlink()
    assert "make vm-image" in refused(runner, capsys)


def test_no_room_is_a_failure(
    runner: ModuleType, emulator: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator(ENDS_WELL)
    usage = shutil.disk_usage("/")._replace(free=5 << 20)
    monkeypatch.setattr(runner.shutil, "disk_usage", lambda path: usage)
    assert "has 5 MiB free" in refused(runner, capsys)


def test_several_commands_get_a_boot_each_until_one_fails(runner: ModuleType, emulator: Install) -> None:
    emulator(f"""
        echo boot >> {runner.OUT}/boots
        [ "$(cat {runner.OUT}/boots)" = boot ] || CODE=4
        {ENDS_WELL}""")
    assert runner.main(["--run-in", str(runner.OUT), "first", "second", "third"]) == 4
    assert (runner.OUT / "boots").read_text() == "boot\nboot\n"


def test_two_at_once_do_not_meet(runner: ModuleType, emulator: Install, tmp_path: Path) -> None:
    # each waits until the other one runs too
    emulator(f"""
        echo here >> {runner.OUT}/running
        until [ "$(cat {runner.OUT}/running)" = $'here\nhere' ]; do sleep 0.05; done
        [ -e "$run/seen" ] && CODE=1; echo > "$run/seen"
        {ENDS_WELL}""")
    codes: list[int] = []
    threads = [
        threading.Thread(
            target=lambda name=name: codes.append(
                runner.main(["--run-in", str(runner.OUT), "--results", str(tmp_path / name), "true"])
            )
        )
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert all((tmp_path / name / "console.log").exists() for name in ("one", "two"))


def test_the_payload_is_the_tree_and_the_command(runner: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "payload"
    runner.write_payload(file, "echo it's me", {"NAME": "it's"})
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["job.sh", "job.env", "now", "src/Makefile"]
        job, environment = tar.extractfile("job.sh"), tar.extractfile("job.env")
        assert job is not None
        assert environment is not None
        assert job.read() == b"echo it's me\n"
        assert environment.read() == b"""NAME='it'"'"'s'\n"""
        assert tar.getmember("src/Makefile").uname == "root"
    assert file.stat().st_size == runner.PAYLOAD_BYTES
