"""What README and docs show is run, as it stands there.

A comment above a code block says how: `<!-- test: runs -->` to its end, `runs endless` until it has
printed what is expected and is interrupted, `simulator` with the address of one as its argument,
`cython` through the compiler. `expect="text"` must be printed. Programs that name the venue reach
the simulator: the table of hosts is replaced before they start, nothing else.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors import cli

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if (ROOT / "README.md").exists() else []
)
BLOCK = re.compile(
    r"(?:<!-- test: (?P<how>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")

REDIRECT = """
import runpy, sys
from connectors.binance import config, pool

http = sys.argv[1]
ws = http.replace("http", "ws", 1)
for product, streams in ((config.Product.USDM, ws), (config.Product.COINM, ws + "/dstream/ws")):
    for environment in config.Environment:
        config._ENDPOINTS[environment, product] = config.Endpoints(http, streams, ws)
by_route = config.route_url
config.route_url = pool.route_url = lambda base, route, routed=None: (
    base if "/dstream" in base else by_route(base, route, routed=True)
)
sys.argv = sys.argv[2:] + [http]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Block:
    """A code block and what its comment says about running it."""

    where: str
    language: str
    how: tuple[str, ...]
    code: str

    @property
    def expected(self) -> list[str]:
        return [word.partition("=")[2] for word in self.how if word.startswith("expect=")]


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("code"))
            found.append(
                Block(
                    f"{page.relative_to(ROOT)}:{line}",
                    match["language"],
                    tuple(shlex.split(match["how"] or "")),
                    match["code"],
                )
            )
    return found


BLOCKS = blocks()
PYTHON = [b for b in BLOCKS if b.language == "python"]
COMMANDS = [
    pytest.param(line.partition("#")[0].strip(), id=f"{block.where}-{line.split('#')[0].strip()}")
    for block in BLOCKS
    if block.language == "console"
    for line in block.code.splitlines()
    if line.startswith(("make ", "connectors "))
]
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").glob("*.py")
    # Those that need a simulator of their own are run by tests/venues/*/test_*_example.py.
    if path.name != "market_maker.py" and not path.name.startswith(("dydx_", "ibkr_"))
)


@pytest.fixture(scope="module")
def simulator():
    """Give the HTTP address of a simulator in its own process."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors", "sim", "binance", "--rate", "800"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r'"http":"([^"]+)"', process.stdout.readline())[1]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def read_until(process, expected):
    """Return what a program prints until all of `expected` was seen, or until it ends."""
    seen = ""
    while not all(text in seen for text in expected):
        line = process.stdout.readline()
        if not line:
            break
        seen += line
    return seen


def run_program(path, http, cwd, *, endless_until=()):
    """Run a program with the venue's hosts replaced; return its output, errors and exit status.

    An endless one is interrupted as soon as it has printed all of `endless_until`.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-u", "-c", REDIRECT, http, str(path)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(TIMEOUT_S, process.kill)
    late.start()
    try:
        if not endless_until:
            out, errors = process.communicate()
            return out, errors, process.returncode
        seen = read_until(process, endless_until)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
        before, _, traceback = errors.partition("Traceback")
        assert traceback.endswith("KeyboardInterrupt\n"), (seen + rest, errors)
        return seen + rest, before, 0
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def test_there_are_pages():
    if not PAGES:
        pytest.skip("the tests are not in a source tree")
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= {
        page.name for page in PAGES
    }
    assert len(PYTHON) >= 5


@pytest.mark.parametrize("block", PYTHON, ids=lambda b: b.where)
def test_python_blocks_run(block, simulator, tmp_path):
    assert block.how, f"{block.where}: no <!-- test: ... --> says how this block is run"
    assert block.how[0] in ("runs", "simulator")
    path = tmp_path / "program.py"
    path.write_text(block.code, encoding="utf-8")
    endless_until = block.expected if "endless" in block.how else ()
    out, errors, status = run_program(path, simulator, tmp_path, endless_until=endless_until)
    assert status == 0, errors
    assert errors == ""
    for text in block.expected:
        assert text in out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_run(path, simulator, tmp_path):
    out, errors, status = run_program(path, simulator, tmp_path, endless_until=["ETHUSDT-PERP"])
    assert (status, errors) == (0, "")
    assert "ETHUSDT-PERP" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command):
    words = shlex.split(command)
    if words[0] == "connectors":
        cli._parser().parse_args(words[1:])
        return
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[1] in targets


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "cython"], ids=lambda b: b.where
)
def test_cython_blocks_compile_and_run(block, installed, simulator, tmp_path):
    """The README's bot is the one in examples/, compiled against the installed wheel."""
    example = ROOT / "examples" / "cython_bot"
    (tmp_path / "bot.pyx").write_text(block.code)
    for name in ("setup.py", "run.py"):
        (tmp_path / name).write_text((example / name).read_text())
    installed.run("setup.py", "-q", "build_ext", "--inplace", cwd=tmp_path, timeout_s=300)
    process = subprocess.Popen(
        [installed.python, "-u", "-c", REDIRECT, simulator, str(tmp_path / "run.py")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(TIMEOUT_S, process.kill)
    late.start()
    try:
        counts = [0]
        while counts[-1] <= counts[0] + 10:  # it prints one line a second
            counts.append(int(process.stdout.readline().split()[0]))
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def test_the_readme_shows_the_example_bot():
    (shown,) = (b.code for b in BLOCKS if b.language == "cython")
    example = (ROOT / "examples" / "cython_bot" / "bot.pyx").read_text()
    words = re.sub(r'^""".*?"""$|^#.*$', "", example, flags=re.MULTILINE)
    assert shown.split() == words.split()
