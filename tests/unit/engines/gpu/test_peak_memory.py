"""GPU memory of a job's server, from what nvidia-smi shows of its processes."""

import pytest

from detailscribe.engines.gpu.peak_memory import MEMORY_FILE, read_peak_memory, record_server_memory

SHOWS = """#!/bin/sh
case "$1" in
  *compute-apps*) printf '11, 70000\\n12, 500\\n99, 4000\\n' ;;
  *) printf '81559, NVIDIA H100 80GB HBM3\\n' ;;
esac
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    def install(text: str) -> None:
        (tmp_path / "nvidia-smi").write_text(text)
        (tmp_path / "nvidia-smi").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return install


def test_the_memory_of_a_server_is_that_of_its_processes(tmp_path, smi):
    smi(SHOWS)
    record_server_memory(tmp_path, "judge_images", "logs/judge.log", [10, 11, 12])
    [row] = read_peak_memory(tmp_path)
    assert (row["peak_bytes"], row["gpu_bytes"]) == (70500 << 20, 81559 << 20)
    assert (row["rule"], row["gpu"], row["server"]) == ("judge_images", "NVIDIA H100 80GB HBM3", True)


@pytest.mark.parametrize("text", [SHOWS, "#!/bin/sh\necho '11, [N/A]'\n", "#!/bin/sh\nexit 9\n", "", None])
def test_what_is_not_shown_is_not_recorded(tmp_path, smi, text):
    if text is not None:
        smi(text)
    record_server_memory(tmp_path, "judge_images", "logs/judge.log", [10] if text == SHOWS else [11])
    assert not (tmp_path / MEMORY_FILE).exists()
