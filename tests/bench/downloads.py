"""``vo-auth get`` beside curl and wget, from nginx over TLS on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import trustme
from table import Row, median_ratio

__all__ = ["rows"]

MB = 1_000_000
OURS, CURL, WGET, LOOP = "vo-auth get -j 4", "curl --parallel", "wget -i", "one by one, as ESO's helper does"
ROOM = 8 * 1024**3  # bytes in memory: else the disk is measured
PEAK = 100  # MB
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    root {folder}/files;
    location /slow/ {{ alias {folder}/files/; limit_rate 20m; }}
  }}
}}
"""
# Our own command, which then tells its peak: Linux counts the memory of whoever started a process into its ru_maxrss.
GET = """
import sys
from vo_auth.cli import main
try:
    main()
finally:
    try:
        with open("/proc/self/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    with open("../peak.txt", "w") as file:
        file.write(str(peak))
"""
# As the download of ESO's own script does it: one after the other, in small pieces, on one session.
ONE_BY_ONE = """
import sys, requests
session = requests.Session()
for url in open(sys.argv[1]).read().split():
    with session.get(url, stream=True) as response:
        with open(url.rpartition("/")[2], "wb") as file:
            for chunk in response.iter_content(chunk_size=1024 * 50):
                file.write(chunk)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Against whom, and how many times as fast at least."""

    peer: str
    times: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One comparison."""

    title: str
    path: str
    count: int
    size: int
    aims: tuple[Aim, ...]
    latency: bool = False
    after_start: bool = False  # what a run costs for one tiny file is taken off


JOBS = (
    Job(
        title="40 files of 20 MB, 20 MB/s for each connection",
        path="slow/20mb",
        count=40,
        size=20 * MB,
        aims=(Aim(peer=WGET, times=3.6), Aim(peer=CURL, times=0.97)),
    ),
    Job(
        title="2,000 files of 2,880 bytes, 20 ms of latency",
        path="small",
        count=2000,
        size=2880,
        aims=(Aim(peer=WGET, times=3.5),),
        latency=True,
    ),
    Job(
        title="200 files of 5 MB, after the start",
        path="5mb",
        count=200,
        size=5 * MB,
        aims=(Aim(peer=CURL, times=0.6), Aim(peer=LOOP, times=1.4)),
        after_start=True,
    ),
    Job(title="One file of 2 GB", path="big", count=1, size=2000 * MB, aims=(Aim(peer=CURL, times=0.7),)),
)


def rows(rounds: int) -> list[Row]:
    missing = [program for program in ("nginx", "curl", "wget") if shutil.which(program) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed"
        return [Row(group=job.title, name=OURS, aim=1.0, why_not=reason) for job in JOBS]
    with ExitStack() as stack:
        bench = stack.enter_context(bench_in(base_folder()))
        few = max(rounds // 5, 1)
        return [row for job in JOBS for row in compare(bench, job, few)]


def base_folder() -> str:
    memory = "/dev/shm"
    has_room = os.path.isdir(memory) and shutil.disk_usage(memory).free > ROOM
    return memory if has_room else tempfile.gettempdir()


@dataclass(kw_only=True)
class Bench:
    """The server, and what runs against it."""

    folder: Path
    port: int
    slow_port: int
    peaks: list[int] = field(default_factory=list)

    def urls(self, job: Job) -> list[str]:
        port = self.slow_port if job.latency else self.port
        return [f"https://localhost:{port}/{job.path}/{number}.fits" for number in range(job.count)]

    def run(self, name: str, urls: list[str]) -> float:
        """Return the seconds that a program takes for a list, into an empty folder."""
        target = self.folder / "target"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        listing = self.folder / "list.txt"
        listing.write_text("".join(f"{url}\n" for url in urls))
        command = COMMANDS[name](self, listing, urls)
        environ = {**os.environ, "REQUESTS_CA_BUNDLE": str(self.folder / "ca.pem")}
        with (self.folder / "said.txt").open("w+b") as said:
            started = time.perf_counter()
            process = subprocess.Popen(command, cwd=target, env=environ, stdout=said, stderr=said)
            process.wait()
            elapsed = time.perf_counter() - started
            came = sum(1 for path in target.iterdir() if path.suffix == ".fits" and path.stat().st_size)
            if process.returncode or came != len(urls):
                said.seek(0)
                last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                raise RuntimeError(f"{name}: status {process.returncode}, {came} of {len(urls)} files; {last}")
        if name == OURS:
            self.peaks.append(int((self.folder / "peak.txt").read_text()) // 1024)
        return elapsed


def ours(_bench: Bench, listing: Path, _urls: list[str]) -> list[str]:
    return [sys.executable, "-c", GET, "get", "-q", "-j", "4", "-i", str(listing)]


def curl(bench: Bench, _listing: Path, urls: list[str]) -> list[str]:
    config = bench.folder / "curl.conf"
    config.write_text("".join(f'url = "{url}"\noutput = "{url.rpartition("/")[2]}"\n' for url in urls))
    authority = str(bench.folder / "ca.pem")
    return ["curl", "-sS", "--fail", "--cacert", authority, "--parallel", "--parallel-max", "4", "-K", str(config)]


def wget(bench: Bench, listing: Path, _urls: list[str]) -> list[str]:
    return ["wget", "-nv", f"--ca-certificate={bench.folder / 'ca.pem'}", "-i", str(listing)]


def one_by_one(_bench: Bench, listing: Path, _urls: list[str]) -> list[str]:
    return [sys.executable, "-c", ONE_BY_ONE, str(listing)]


COMMANDS: dict[str, Callable[[Bench, Path, list[str]], list[str]]] = {
    OURS: ours,
    CURL: curl,
    WGET: wget,
    LOOP: one_by_one,
}


def compare(bench: Bench, job: Job, rounds: int) -> list[Row]:
    names = [OURS, *(aim.peer for aim in job.aims)]
    times: dict[str, list[float]] = {name: [] for name in names}
    bench.peaks.clear()
    make_files(bench, job)
    try:
        for _ in range(rounds):
            for name in names:
                start = bench.run(name, tiny(bench)) if job.after_start else 0.0
                times[name].append(max(bench.run(name, bench.urls(job)) - start, 0.001))
            names = [*names[1:], names[0]]
    except (OSError, RuntimeError) as error:
        return [Row(group=job.title, name=OURS, aim=1.0, why_not=str(error))]
    finally:
        shutil.rmtree(bench.folder / "target", ignore_errors=True)
        if job.size * job.count > 100 * MB:
            shutil.rmtree(bench.folder / "files" / job.path.rpartition("/")[2], ignore_errors=True)
    return [
        *(Row(group=job.title, name=name, figure=f"{median(values):.2f} s") for name, values in times.items()),
        *(
            Row(
                group=job.title,
                name=f"  its time, to that of {aim.peer.partition(',')[0]}",
                ratio=median_ratio(times[OURS], times[aim.peer]),
                aim=round(1 / aim.times, 3),
            )
            for aim in job.aims
        ),
        Row(
            group=job.title,
            name="  its memory at the peak",
            figure=f"{max(bench.peaks)} MB",
            value=max(bench.peaks),
            aim=PEAK,
        ),
    ]


def tiny(bench: Bench) -> list[str]:
    make_files(bench, TINY)
    return bench.urls(TINY)


TINY = Job(title="", path="tiny", count=1, size=2880, aims=())


def make_files(bench: Bench, job: Job) -> None:
    folder = bench.folder / "files" / job.path.rpartition("/")[2]
    if folder.exists():
        return
    folder.mkdir(parents=True)
    block = os.urandom(min(job.size, MB))
    for number in range(job.count):
        with (folder / f"{number}.fits").open("wb") as file:
            for _ in range(job.size // len(block)):
                file.write(block)


@contextmanager
def bench_in(base: str) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="vo-auth-bench-", dir=base) as name, ExitStack() as stack:
        folder = Path(name)
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        server = subprocess.Popen(
            ["nginx", "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(end, server)
        undisturbed(server)
        wait_for(port, server, folder)
        relay = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("latency.py")), str(port), "20"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(end, relay)
        undisturbed(relay)
        assert relay.stdout is not None
        yield Bench(folder=folder, port=port, slow_port=int(relay.stdout.readline()))


def undisturbed(process: subprocess.Popen[bytes]) -> None:
    """Let a server go first where that is allowed: as if it were another machine, which a client does not slow down."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process.pid, -10)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=10)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_for(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    import socket

    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError(f"nginx does not start: {(folder / 'error.log').read_text()[-300:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx does not answer")
