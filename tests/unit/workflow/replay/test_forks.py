import subprocess
import sys

from tests.paths import REPOSITORY

# In a process of its own: a fork of pytest would run its exit handlers.
PROGRAM = """
import os, sys, threading
sys.path.insert(0, {repository!r})
from detailscribe.workflow.replay.forks import ScriptForks, fork
assert fork(lambda: None) == 0
assert fork(lambda: sys.exit(3)) == 3
assert fork(lambda: sys.exit("text")) == 1
assert fork(lambda: 1 / 0) == 1
assert fork(lambda: os.kill(os.getpid(), 9)) == -9
forks = ScriptForks(2)
from snakemake import script
forks.use_in_snakemake()
class Job:
    bench_record = type("Record", (), {{}})()
statuses = []
def run(name):
    try:
        script.PythonScript.execute_script(Job(), name)
        statuses.append(0)
    except Exception as error:
        statuses.append(error.returncode)
threads = [threading.Thread(target=run, args=[name]) for name in sys.argv[1:]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sorted(statuses), Job.bench_record.running_time > 0)
"""


def test_scripts_run_as_forks_two_at_a_time_and_their_failures_are_seen(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import os, pathlib\npathlib.Path(__file__ + str(os.getpid())).touch()\n")
    bad.write_text("import sys\nsys.exit(1)\n")
    program = PROGRAM.format(repository=str(REPOSITORY))
    arguments = [str(good), str(bad), str(good), str(good)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("[0, 0, 0, 1] True"), done.stdout + done.stderr
    assert len(list(tmp_path.glob("good.py?*"))) == 3
