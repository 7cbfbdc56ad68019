#!/usr/bin/env python3
"""Run a command as root in a fresh virtual machine, with this project handed in.

    vm/run_in_vm.py [options] COMMAND [COMMAND...]

Each COMMAND is a line for the shell, run in /srv/vm/src; its output appears here while it runs. Several commands get as
many boots of one machine, whose power is cut in between. What a command leaves in /results comes back.

The exit code is that of the first command that failed; 124 when the time was up, 125 when the machine died or did not
come up, 2 when it could not even be started. Nothing but Debian's packages is needed, neither KVM nor a network.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

TOP = Path(__file__).resolve().parent.parent
OUT = TOP / "out" / "vm"

# What systemd makes of the kernel's cgroups. Source: man 1 systemd, "Kernel command line".
FLAVOURS = {
    "v2": "",
    "hybrid": "systemd.unified_cgroup_hierarchy=0",
    "v1": "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
}
# panic=-1 with QEMU's -no-reboot: a kernel panic ends QEMU at once instead of hanging.
KERNEL_ARGUMENTS = "console=ttyS0 quiet systemd.show_status=0 mitigations=off edd=off net.ifnames=0 panic=-1"

TIME_IS_UP, MACHINE_DIED, CANNOT_START = 124, 125, 2
NEEDED_MIB = 2000
PAYLOAD_BYTES, RESULTS_BYTES = 256 << 20, 256 << 20
CONSOLE_TAIL_BYTES = 6000


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is the same in every boot."""

    image: Path
    run: Path
    flavour: str
    memory_mib: int
    cpus: int

    def argv(self) -> list[str]:
        """The command line of QEMU."""
        accelerator = os.environ.get("NODEGUARD_VM_ACCEL", "tcg,thread=multi")
        # "max" without KVM is all the emulator can do; "host" is KVM's own word.
        cpu = "host" if accelerator == "kvm" else "max"
        argv = ["qemu-system-x86_64", "-accel", accelerator, "-cpu", cpu, "-machine", "pc,usb=off,vmport=off"]
        argv += ["-smp", str(self.cpus), "-m", str(self.memory_mib)]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", "base=utc"]
        argv += ["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
        # cache=unsafe: the disks need not survive a crash of this host.
        for name, form in (("root", "qcow2"), ("payload", "raw"), ("results", "raw")):
            argv += ["-drive", f"file={self.run / name},if=none,id={name},format={form},cache=unsafe"]
            argv += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        for port in ("out", "code"):
            argv += ["-chardev", f"file,id={port},path={self.run / port}"]
            argv += ["-device", f"virtserialport,chardev={port},name=job.{port}"]
        argv += ["-chardev", f"file,id=console,path={self.run / 'console'}", "-serial", "chardev:console"]
        argv += ["-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd")]
        argv += ["-append", f"{KERNEL_ARGUMENTS} {FLAVOURS[self.flavour]}".strip()]
        # However this script ends, even by SIGKILL, the machine ends with it.
        return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


def refuse(message: str) -> NoReturn:
    """Say why nothing was run. Never quietly: a suite that did not run must not look like one that passed."""
    print(f"run_in_vm: {message}", file=sys.stderr)
    sys.exit(CANNOT_START)


def tree_files() -> list[Path]:
    """What git tracks, and what it would track: the tree as it is now, without what is generated."""
    argv = ["git", "-c", f"safe.directory={TOP}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(argv, cwd=TOP, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as e:
        refuse(f"git does not list the files of {TOP}: {getattr(e, 'stderr', b'').decode().strip() or e}")
    return [Path(name) for name in sorted(set(listed.split("\0"))) if name and os.path.lexists(TOP / name)]


def write_payload(file: Path, command: str, environment: dict[str, str]) -> None:
    """A tar of command, environment, time and tree; on the guest's side it is a disk that begins with a tar."""
    with tarfile.open(file, "w") as tar:

        def add_text(name: str, text: str) -> None:
            info = tarfile.TarInfo(name)
            data = text.encode()
            info.size, info.mtime = len(data), int(time.time())
            tar.addfile(info, io.BytesIO(data))

        def owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            return info

        add_text("job.sh", command + "\n")
        add_text("job.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))
        add_text("now", f"{time.time():.3f}\n")
        for path in tree_files():
            tar.add(TOP / path, arcname=str(Path("src") / path), recursive=False, filter=owned_by_root)
    if file.stat().st_size > PAYLOAD_BYTES:
        refuse(f"the tree has {file.stat().st_size >> 20} MiB, more than the {PAYLOAD_BYTES >> 20} MiB foreseen")
    os.truncate(file, PAYLOAD_BYTES)


def run_boot(machine: Machine, limit_seconds: float, boot_limit_seconds: float) -> tuple[int | None, str]:
    """One boot, from power on to power off: the command's exit code, or None and what went wrong."""
    for name in ("out", "code", "console"):
        (machine.run / name).write_bytes(b"")
    begin = time.monotonic()
    with (machine.run / "qemu.log").open("wb") as log, (machine.run / "out").open("rb") as out:
        qemu = subprocess.Popen(machine.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        trouble = ""
        try:
            heard = False
            while qemu.poll() is None and not trouble:
                time.sleep(0.1)
                heard = copy_new(out) or heard
                passed = time.monotonic() - begin
                if passed > limit_seconds:
                    trouble = f"time limit of {limit_seconds:g} s"
                elif not heard and passed > boot_limit_seconds:
                    trouble = f"it did not come up in {boot_limit_seconds:g} s"
        finally:
            if qemu.poll() is None:
                qemu.kill()
            qemu.wait()
        copy_new(out)
    code = (machine.run / "code").read_text().strip()
    if not trouble and code.isdigit():
        return int(code), ""
    said = (machine.run / "qemu.log").read_text(errors="replace").strip()
    return None, trouble or f"the machine died (QEMU ended with {qemu.returncode}{': ' if said else ''}{said})"


def copy_new(out: io.BufferedReader) -> bool:
    """Copy what has been written since; whether there was anything."""
    data = out.read()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return bool(data)


def take_results(machine: Machine, results: Path) -> None:
    """Unpack what the command left in /results, and keep the console and its output beside it."""
    results.mkdir(parents=True, exist_ok=True)
    for name, log in (("console", "console.log"), ("out", "output.log")):
        with (machine.run / name).open("rb") as file, (results / log).open("ab") as kept:
            shutil.copyfileobj(file, kept)
    try:
        with tarfile.open(machine.run / "results", "r:") as tar:
            tar.extractall(results, filter="data")
    except tarfile.ReadError:
        pass  # it died before it wrote any; the caller tells so


def make_disks(machine: Machine) -> None:
    """A root disk that keeps changes for itself, and room for results."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(machine.image / "root.ext4")]
    subprocess.run([*argv, str(machine.run / "root")], check=True)


def check_host(arguments: argparse.Namespace) -> Path:
    """Everything that has to be there is there; returns the image's directory."""
    for tool in ("qemu-system-x86_64", "qemu-img", "setpriv", "git"):
        if shutil.which(tool) is None:
            refuse(f"{tool} is not installed (make vm-image installs it on Debian)")
    image: Path = (OUT / "image").resolve()
    if not (image / "complete").exists():
        refuse(f"there is no image in {OUT} (make vm-image builds it)")
    for directory in (OUT, arguments.run_in):
        free_mib = shutil.disk_usage(directory).free >> 20
        if free_mib < NEEDED_MIB:
            refuse(f"{directory} has {free_mib} MiB free, a machine needs {NEEDED_MIB} MiB")
    return image


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="run_in_vm.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("command", nargs="+", help="a line for the shell in the machine; each has a boot of its own")
    parser.add_argument("--flavour", choices=FLAVOURS, default="v2", help="which cgroups systemd mounts")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the commands")
    parser.add_argument("--results", type=Path, metavar="DIR", help="default: out/vm/results/FLAVOUR")
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="for one boot with its command")
    parser.add_argument("--boot-limit", type=float, default=300, metavar="SECONDS", help="until the command starts")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--run-in", type=Path, default=OUT, metavar="DIR", help="where the throw-away disks go")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the commands; the exit code."""
    arguments = parse(argv)
    image = check_host(arguments)
    environment = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONUNBUFFERED": "1",
        "NODEGUARD_IN_VM": "1",
    }
    environment |= dict(entry.split("=", 1) for entry in arguments.env)

    # Held until the end, so that a newer image does not replace this one while it is in use.
    fcntl.flock(os.open(image, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    # SIGTERM as Ctrl-C does: the machine is ended and its disks are removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    with tempfile.TemporaryDirectory(prefix="run-", dir=arguments.run_in) as run:
        fresh = Path(run) / "fresh-results"
        machine = Machine(
            image=image, run=Path(run), flavour=arguments.flavour, memory_mib=arguments.memory, cpus=arguments.cpus
        )
        make_disks(machine)
        result = 0
        for command in arguments.command:
            write_payload(machine.run / "payload", command, environment)
            with (machine.run / "results").open("wb") as disk:
                disk.truncate(RESULTS_BYTES)
            begin = time.monotonic()
            code, trouble = run_boot(machine, arguments.limit, arguments.boot_limit)
            take_results(machine, fresh)
            if code is None:
                result = TIME_IS_UP if "time limit" in trouble else MACHINE_DIED
                tail = (machine.run / "console").read_bytes()[-CONSOLE_TAIL_BYTES:].decode(errors="replace")
                print(f"\nrun_in_vm: {trouble}; the end of its console:\n{tail}", file=sys.stderr)
                break
            print(f"run_in_vm: exit code {code} after {time.monotonic() - begin:.0f} s", flush=True)
            if code:
                result = code
                break
        results = arguments.results or OUT / "results" / arguments.flavour
        results.parent.mkdir(parents=True, exist_ok=True)
        # Of two runs at once each has its own until here; the last one's stay.
        shutil.rmtree(results, ignore_errors=True)
        shutil.move(fresh, results)
        print(f"run_in_vm: results are in {results}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
