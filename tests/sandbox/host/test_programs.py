"""Further unmodified programs, where this machine has them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox

JAVA = """
import java.io.*; import java.net.*;
public class Fetch {
    public static void main(String[] urls) throws Exception {
        for (String url : urls) {
            System.out.println(new BufferedReader(new InputStreamReader(new URL(url).openStream())).readLine());
        }
    }
}
"""


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("wget")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_wget_reaches_the_stand_ins(sandbox: Sandbox, scheme: str) -> None:
    answer = json.loads(output("wget", "-qO-", f"{scheme}://archive.toy.example/x"))
    assert answer["scheme"] == scheme
    assert len(sandbox.proxy_log) == 1


@needs("java", "javac")
def test_java_reaches_the_stand_ins(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "Fetch.java").write_text(JAVA, "utf-8")
    urls = ["https://archive.toy.example/a", "http://data.toy.example/b"]
    lines = output("java", str(tmp_path / "Fetch.java"), *urls).splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["/a", "/b"]
    assert len(sandbox.proxy_log) == 2
