"""A Slurm cluster of this machine alone: munge, a controller and a node with two simulated GPUs, all in one folder."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
START_S = 30
# Where jobs look for it: the plugin removes Slurm's variables from their environment, with the path of another file.
CONF_PATH = Path("/etc/slurm/slurm.conf")
CONF = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmUser=root
SlurmdUser=root
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SwitchType=switch/none
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=600
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=200000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
PartitionName=cpu Nodes=ALL MaxTime=INFINITE OverTimeLimit=0 State=UP
"""


def lacking() -> str:
    """Why no Slurm can be started on this machine; empty if one can."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=path)]:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install slurm-wlm munge)"
    if CONF_PATH.exists():
        return f"{CONF_PATH} is there: this machine belongs to a cluster already"
    return "" if os.geteuid() == 0 else "starting Slurm needs root"


class Cluster:
    """A cluster that is started on entry, and stopped with all daemons on exit. Commands find it with `env`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]),
        }
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host, ports = socket.gethostname().partition(".")[0], (_free_port(), _free_port())
        conf = CONF.format(host=host, port=ports[0], node_port=ports[1], folder=self.folder)
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=fake File=/dev/null,/dev/zero\n")
        CONF_PATH.parent.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            CONF_PATH.with_name(name).unlink(missing_ok=True)  # of a killed test
            CONF_PATH.with_name(name).symlink_to(self.folder / name)
        try:
            munge = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munged.pid"}
            munge |= {"log-file": self.folder / "munged.log", "seed-file": self.folder / "munged.seed"}
            # --force: the folder of a test is writable for more people than munge likes.
            self._start("munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in munge.items()))
            self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D", "-c")
            self._start("slurmd", "-D", "-N", host)
            self._wait(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T", check=False), "slurmctld and slurmd")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.run("scancel", "--user=root", check=False)
        time.sleep(1)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for name in ("slurm.conf", "gres.conf"):
            CONF_PATH.with_name(name).unlink(missing_ok=True)

    def run(self, *command: str, check: bool = True) -> str:
        """Output of a Slurm command."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=check, timeout=60).stdout

    def jobs(self, rule: str) -> dict[str, str]:
        """State of each job of a rule by its number, ended ones included."""
        lines = self.run("squeue", "-h", "-t", "all", "-o", "%i %T %k").splitlines()
        return {number: state for number, state, comment in map(str.split, lines) if f"rule_{rule}" in comment}

    def _start(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}.out", "ab") as out:
            self._daemons.append(subprocess.Popen(command, env=self.env, stdout=out, stderr=out, cwd=self.folder))

    def _wait(self, ready, what: str) -> None:
        end = time.monotonic() + START_S
        while not ready():
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in self._daemons):
                logs = "\n".join(path.read_text(errors="replace")[-800:] for path in self.folder.glob("*.[ol][uo]*"))
                raise RuntimeError(f"{what} did not start\n{logs}")
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
