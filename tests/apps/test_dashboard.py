"""`tickvol dashboard` as a process: it prints its address, answers, and ends at a signal."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.support import ROOT
from tickvol.apps.dashboard import main

COMMAND = (sys.executable, "-c", "import sys; from tickvol.apps.dashboard import main; sys.exit(main())")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_at_the_address_it_prints_until_a_signal(tmp_path, number):
    environment = os.environ | {"TICKVOL_LAKE__DIR": str(tmp_path)}
    words = (*COMMAND, "--config", str(ROOT / "config.yaml"), "--port", "0")
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{address}healthz", timeout=60) as response:
            assert response.read() == b"ok\n"
        process.send_signal(number)
        assert process.wait(timeout=60) == 0


def test_a_port_that_is_none_is_refused(capsys):
    assert main(["--config", str(ROOT / "config.yaml"), "--port", "70000"]) == 2
    assert "--port: 70000: must be 0 to 65535" in capsys.readouterr().err
