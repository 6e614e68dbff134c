"""Whole-process times of shiro beside its peers, against the targets in docs/performance.md.

Each comparison runs the two commands in turn, after a warm-up, and prints medians: a ratio of medians from the same session
holds where single seconds don't. Peak memory is the largest resident set of any process of the run.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(command, cwd, env):
    """Runs a command to its end: seconds, and the peak resident set of its largest process in MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


class Bench:
    def __init__(self, shiro, options):
        self.shiro, self.peers, self.runs = shiro, options.peers.resolve(), options.runs
        self.guests, self.javascript = options.guests.resolve(), options.javascript.resolve()
        self.root = Path(tempfile.mkdtemp(prefix="shiro-bench-"))
        self.env = {"PATH": f"{self.peers}:{os.environ['PATH']}", "HOME": str(self.root)}
        self.missed = 0

    def workspace(self, name, workflow=None, files=()):
        """A directory with a workflow as .shiro/workflow.json, and other files."""
        directory = self.root / name
        (directory / ".shiro").mkdir(parents=True, exist_ok=True)
        if workflow is not None:
            (directory / ".shiro/workflow.json").write_text(json.dumps(workflow))
        for file, text in files:
            (directory / file).write_text(text)
        return directory

    def measure(self, *subjects, runs=None):
        """Medians of several (command, cwd, before) subjects, run in turn."""
        samples = [[] for _ in subjects]
        for round_number in range((runs or self.runs) + 1):
            for subject, sample in zip(subjects, samples):
                command, cwd, before = subject
                before(cwd)
                result = run(command, cwd, self.env)
                if round_number > 0:
                    sample.append(result)
        return [
            (statistics.median(seconds for seconds, _ in sample), max(memory for _, memory in sample))
            for sample in samples
        ]

    def shiro_run(self, directory, *flags):
        return ([self.shiro, "run", "-fresh", "-quiet", *flags], directory, drop_state)

    def report(self, what, value, target, unit=""):
        ok = value <= target
        self.missed += not ok
        print(f"{'ok  ' if ok else 'MISS'} {what}: {value:.2f}{unit} (target: at most {target:g}{unit})", flush=True)


def drop_state(directory):
    shutil.rmtree(directory / ".shiro/state", ignore_errors=True)


def nothing(_directory):
    pass


def drop_ninja(directory):
    for name in (".ninja_log", ".ninja_deps"):
        (directory / name).unlink(missing_ok=True)


def print_steps(count, chain=False):
    return {"name": "bench", "steps": [
        {"id": f"s{n}", "type": "print", "config": {"message": "x"},
         **({"depends_on": [f"s{n - 1}"]} if chain and n else {})} for n in range(count)]}


def layered_steps(count, width=100):
    return {"name": "bench", "steps": [
        {"id": f"s{n}", "type": "print", "config": {"message": "x"},
         **({"depends_on": [f"s{n - width}", f"s{(n // width - 1) * width + (n + 1) % width}"]} if n >= width else {})}
        for n in range(count)]}


def shell_steps(count, chain=False):
    return {"name": "bench", "steps": [
        {"id": f"s{n}", "type": "shell", "config": {"shell": "sh", "command": "true"},
         **({"depends_on": [f"s{n - 1}"]} if chain and n else {})} for n in range(count)]}


def ninja_file(count, command, chain=False):
    lines = ["rule run", f"  command = {command}"]
    for n in range(count):
        lines.append(f"build s{n}: run" + (f" s{n - 1}" if chain and n else ""))
    return "\n".join(lines) + "\n"


def start(bench):
    directory = bench.workspace("start", print_steps(1), [("justfile", "hello:\n    @true\n")])
    ours, just = bench.measure(bench.shiro_run(directory), (["just"], directory, nothing), runs=4 * bench.runs)
    print(f"     start: shiro {ours[0] * 1000:.1f} ms, just {just[0] * 1000:.1f} ms")
    bench.report("start, one print step with a durable journal, against just with one recipe", ours[0] / just[0], 2, "x")


def throughput(bench):
    directory = bench.workspace("wide", print_steps(10_000), [("build.ninja", ninja_file(10_000, "true"))])
    ours, ninja = bench.measure(
        bench.shiro_run(directory), (["ninja", "-j2", "--quiet"], directory, drop_ninja), runs=3)
    print(f"     10,000 print steps: {ours[0]:.2f} s, {ours[1]:.0f} MiB; ninja running true: {ninja[0]:.2f} s")
    bench.report("10,000 sandboxed, durable steps", ours[0], 1.2, " s")
    bench.report("10,000 sandboxed, durable steps against ninja running true", ours[0] / ninja[0], 1 / 3, "x")


def fan_out(bench):
    """A list of 10,000 items that a step gives out, against as many steps."""
    steps = bench.workspace("many-steps", print_steps(10_000))
    items = bench.workspace("many-items", {"name": "bench", "steps": [
        {"id": "list", "type": "json", "config": {"input": 0, "query": "[range(10000)]"}},
        {"id": "each", "type": "print", "depends_on": ["list"], "foreach": "{{steps.list.value}}",
         "config": {"message": "{{item}}"}},
        {"id": "last", "type": "print", "depends_on": ["each"], "config": {"message": "{{steps.each[9999].message}}"}}]})
    plain, fanned = bench.measure(bench.shiro_run(steps), bench.shiro_run(items), runs=5)
    print(f"     10,000 steps {plain[0]:.2f} s; 10,000 items {fanned[0]:.2f} s, {fanned[1]:.0f} MiB")
    bench.report("10,000 items of a list that a step gave out, against 10,000 steps", fanned[0] / plain[0], 1.25, "x")


def shell(bench):
    for name, chain in (("wide", False), ("chain", True)):
        directory = bench.workspace(
            f"shell-{name}", shell_steps(1000, chain), [("build.ninja", ninja_file(1000, "sh -c true", chain))])
        ours, ninja = bench.measure(
            bench.shiro_run(directory, "-jobs", "2"), (["ninja", "-j2", "--quiet"], directory, drop_ninja), runs=3)
        print(f"     1,000 sh -c true, {name}: shiro {ours[0]:.2f} s, {ours[1]:.0f} MiB; ninja {ninja[0]:.2f} s")
        bench.report(f"1,000 sh -c true, {name}, against ninja", ours[0] / ninja[0], 1.25, "x")


def scale(bench):
    shapes = {"wide": print_steps, "chain": lambda count: print_steps(count, chain=True), "layered": layered_steps}
    for name, steps in shapes.items():
        small = bench.workspace(f"small-{name}", steps(10_000))
        large = bench.workspace(f"large-{name}", steps(100_000))
        ten, hundred = bench.measure(bench.shiro_run(small), bench.shiro_run(large), runs=3 if name != "chain" else 1)
        print(f"     {name}: 10,000 steps {ten[0]:.2f} s, 100,000 steps {hundred[0]:.2f} s, {hundred[1]:.0f} MiB")
        bench.report(f"100,000 steps against 10,000, {name}", hundred[0] / ten[0], 11, "x")
        bench.report(f"peak memory of 100,000 steps, {name}", hundred[1], 250, " MiB")


def resume(bench):
    workflow = print_steps(10_000)
    workflow["steps"].append({"id": "gate", "type": "print", "config": {"message": "gate"}, "pause": True})
    workflow["steps"].append({"id": "end", "type": "print", "config": {"message": "end"}, "depends_on": ["gate"]})
    directory = bench.workspace("resume", workflow)
    run([bench.shiro, "run", "-quiet"], directory, bench.env)
    # A second run of the finished journal reads all of it back and does nothing; a dry run reads the same workflow and
    # no journal: the difference is the reading back.
    run([bench.shiro, "run", "-quiet"], directory, bench.env)
    whole, validate = bench.measure(
        ([bench.shiro, "run", "-quiet"], directory, nothing), ([bench.shiro, "validate"], directory, nothing))
    print(f"     with journal {whole[0] * 1000:.0f} ms, without {validate[0] * 1000:.0f} ms")
    bench.report("reading back a journal of 10,000 steps", (whole[0] - validate[0]) * 1000, 100, " ms")


def install(bench, directory, component, name):
    (directory / ".shiro/plugins").mkdir(exist_ok=True)
    shutil.copy(component, directory / f".shiro/plugins/{name}.wasm")


def cache(bench):
    built_in = bench.workspace("cache-built-in", print_steps(1))
    javascript = bench.workspace("cache-javascript", {"name": "bench", "steps": [{"id": "s", "type": "echo"}]})
    install(bench, javascript, bench.javascript, "echo")
    first, _ = run([bench.shiro, "run", "-quiet"], javascript, bench.env)
    theirs, ours = bench.measure(bench.shiro_run(javascript), bench.shiro_run(built_in), runs=4 * bench.runs)
    size = bench.javascript.stat().st_size / 1e6
    print(f"     a JavaScript component of {size:.0f} MB: first {first:.1f} s, then {theirs[0] * 1000:.1f} ms; "
          f"a built-in {ours[0] * 1000:.1f} ms")
    bench.report("a large component's second start against a built-in's", theirs[0] / ours[0], 3, "x")


def late(bench, directory, timeout_ms):
    """How many milliseconds after its timeout the step `s` was ended, sorted."""
    samples = []
    for _ in range(20 * bench.runs):
        drop_state(directory)
        ended = subprocess.run([bench.shiro, "run", "-quiet"], cwd=directory, env=bench.env, capture_output=True)
        if ended.returncode != 5:
            sys.exit(f"a step that timed out ended shiro with {ended.returncode}:\n{ended.stderr.decode()}")
        journal = next((directory / ".shiro/state").glob("*.jsonl")).read_text()
        samples.append(int(re.search(r'"duration_ms":(\d+)', journal).group(1)) - timeout_ms)
    return sorted(samples)


def kill(bench):
    timeout_ms = 300
    # What computes, what waits in a call of the host, and what waits for a program that would run on.
    steps = {
        "a loop": {"type": "spin"},
        "a blocked host call": {"type": "sleeper"},
        "a child process": {"type": "shell", "config": {"command": "sleep", "args": ["1000"]}},
    }
    for what, step in steps.items():
        directory = bench.workspace(f"kill-{step['type']}", {"name": "bench", "steps": [
            {"id": "s", "timeout": f"{timeout_ms}ms", **step}]})
        if step["type"] != "shell":
            install(bench, directory, bench.guests / f"{step['type']}.wasm", step["type"])
        samples = late(bench, directory, timeout_ms)
        print(f"     {what} with a timeout: ended {statistics.median(samples)} ms late (median), {samples[-1]} ms at most")
        bench.report(f"{what} with a timeout is ended late by, 99th percentile", samples[len(samples) * 99 // 100], 50, " ms")


BENCHES = {
    "start": start, "throughput": throughput, "fan-out": fan_out, "shell": shell, "scale": scale, "resume": resume,
    "cache": cache, "kill": kill}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shiro", required=True, type=Path)
    parser.add_argument("--peers", required=True, type=Path, help="directory with ninja and just")
    parser.add_argument("--guests", required=True, type=Path, help="directory with the tests' components")
    parser.add_argument("--javascript", required=True, type=Path, help="a component of more than 10 MB")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which (default: all)")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bench = Bench(str(options.shiro.resolve()), options)
    try:
        for name in options.names or BENCHES:
            BENCHES[name](bench)
    finally:
        shutil.rmtree(bench.root, ignore_errors=True)
    if bench.missed:
        sys.exit(f"{bench.missed} targets missed")


if __name__ == "__main__":
    main()
