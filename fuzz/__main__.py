"""`python -m fuzz [--seconds N] [http1|http2 ...]`: atheris (libFuzzer) over the gateway's entries.

Each target runs in a process of its own for N seconds (60). A finding is printed with its input,
which is kept as `crash-*` in the current directory; `python -m fuzz --replay FILE http1` runs that
again. Needs the extra `fuzz`: `pip install -e '.[fuzz]'`.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("http1", "http2")


def replay(name: str, path: Path) -> None:
    """Run one input once."""
    from fuzz import targets

    asyncio.run(targets.TARGETS[name](path.read_bytes()))
    print(f"{path}: nothing found")


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target; ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install -e '.[fuzz]'")
    with atheris.instrument_imports(include=["utsuwa.gateway"]):
        from fuzz import targets
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="utsuwa-fuzz-") as corpus:
        seeds = targets.SEEDS[name] or loop.run_until_complete(targets.recorded())
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        target = targets.TARGETS[name]

        def run(data: bytes) -> None:
            loop.run_until_complete(target(data))

        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", corpus], run)
        atheris.Fuzz()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], default=[])
    options = parser.parse_args()
    names = options.targets or NAMES
    if options.replay is not None:
        replay(names[0], options.replay)
    elif options.here:
        fuzz(names[0], options.seconds)
    else:
        command = [sys.executable, "-m", "fuzz", "--here", "--seconds", str(options.seconds)]
        failed = [
            name for name in names if subprocess.run([*command, name], check=False).returncode
        ]
        sys.exit(f"found something in: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
