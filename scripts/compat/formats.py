#!/usr/bin/env python3
"""Holds lbench's results against llama-bench's: the same command lines, every format, field by field.

    scripts/compat/formats.py LLAMA_BENCH LBENCH MODEL [--compare compare-llama-bench.py]

Both binaries should be of the same engine; MODEL is any small one. Names, order, types, quoting and number
formats are compared, the values of settings too; measured ones differ, of course. With --compare, llama.cpp's
script reads what both wrote: it needs GitPython and tabulate in the Python that runs this.

Exit code 0 if all that differs is in KNOWN, else 1.
"""

import argparse
import csv
import io
import json
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Each flag of llama-bench's README but -hf, -hff and -hft, for a machine without a GPU. Two lines where
# llama-bench's README has flags that it does not take any more: what it takes, and what lbench still does.
LINES = [
    "-p 16 -n 4",
    "-p 16,32 -n 0 -b 16,32 -ub 8,16",
    "-p 8-16+4 -n 1-4*2 --no-warmup",
    "-p 0 -n 0 -pg 16,4 -pg 8,2 -d 0,32",
    "-p 16 -n 2 -t 1,2 --delay 0 --prio 0",
    "-p 16 -n 0 -ctk f16,q8_0 -ctv f16",
    "-p 16 -n 2 -ctk q8_0 -ctv q8_0 -fa 1",
    "-p 16 -n 0 -fa on,off,auto",
    "-p 16 -n 0 -ngl 0,10,99",
    "-p 16 -n 0 -sm none,layer -mg 0 -ts 0,3/1",
    "-p 16 -n 0 -dev none",
    "-p 16 -n 0 -nkvo 0,1 -nopo 0,1",
    "-p 16 -n 0 -C 0x1,0x3 --cpu-strict 0,1",
    "-p 16 -n 0 --poll 0,50 --numa isolate",
    "-p 16 -n 0 -lm none,mmap -lzm on,off",
    ("-p 16 -n 0 -lm none,mmap", "-p 16 -n 0 -mmp 0,1"),
    ("-p 16 -n 0 -lm dio", "-p 16 -n 0 -dio 1"),
    "-p 16 -n 0 -embd 0,1",
    "-p 16 -n 0 -ot blk\\.0\\.ffn_up=CPU;blk\\.1\\.=CPU",
    "-p 16 -n 0 --no-host 0,1 --repack 0,1",
    "-p 16 -n 0 -ncmoe 0,2",
    "-p 16 -n 0 -fitt 64 -fitc 512",
    "-p 16 -n 0 --progress -v -oe md",
    "-p 16 -n 2 -rpc ENDPOINT",
]
FORMATS = ["csv", "json", "jsonl", "sql"]

# Measured: their values differ from run to run.
MEASURED = {"test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts"}

# Differences that are meant, by field, with the reason.
KNOWN = {
    "build_commit": "lbench says the engine's version where llama-bench says unknown",
}


def kind(value):
    """What a value looks like on paper."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return type(value).__name__
    if isinstance(value, list):
        return "list"
    if isinstance(value, Number):
        return f"number with {len(value.text.split('.')[1])} decimals"
    if re.fullmatch(r"-?\d+", value):
        return "digits"
    if re.fullmatch(r"-?\d+\.\d+", value):
        return f"{len(value.split('.')[1])} decimals"
    return "text"


class Number:
    """A JSON number with a fraction, as it is written."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Number) and float(self.text) == float(other.text)

    def __repr__(self):
        return self.text


def read_json(text):
    rows = json.loads(text, object_pairs_hook=list, parse_float=Number)
    return [[(name, value) for name, value in row] for row in rows]


def read_jsonl(text):
    return [read_json(f"[{line}]")[0] for line in text.splitlines()]


def read_csv(text):
    header, *lines = text.splitlines()
    assert '"' not in header, "the header is quoted"
    for line in lines:
        assert re.fullmatch(r'"([^"]|"")*"(,"([^"]|"")*")*', line), f"not all quoted: {line}"
    names = header.split(",")
    return [list(zip(names, row)) for row in csv.reader(io.StringIO("\n".join(lines)))]


def read_sql(text):
    """Columns with their declared types, and each value with the type that SQLite gives it."""
    database = sqlite3.connect(":memory:")
    database.executescript(text)
    columns = [(name, declared) for _, name, declared, *_ in database.execute("PRAGMA table_info(llama_bench)")]
    names = ", ".join(name for name, _ in columns)
    for line in text.splitlines():
        if line.startswith("INSERT INTO llama_bench "):
            start = f"INSERT INTO llama_bench ({names}) VALUES ('"
            assert line.startswith(start) and line.endswith("');"), f"not all quoted: {line}"
    rows = database.execute(f"SELECT {names} FROM llama_bench").fetchall()
    return [[(f"{name} {declared}", value) for (name, declared), value in zip(columns, row)] for row in rows]


READ = {"csv": read_csv, "json": read_json, "jsonl": read_jsonl, "sql": read_sql}


def run(binary, model, line, form, state):
    """What a binary prints to standard output; raises with its complaint."""
    # One thread and no warm-up: the figures do not matter, and the machine may be a busy one.
    quick = ["-r", "2"] + (["--no-warmup"] if "--no-warmup" not in line else [])
    quick += ["-t", "1"] if " -t " not in line else []
    args = [binary, "-m", model, *quick, *line.split(), "-o", form]
    done = subprocess.run(args, capture_output=True, text=True, timeout=300,
                          env={"XDG_STATE_HOME": state, "PATH": "/usr/bin:/bin", "HOME": state})
    if done.returncode != 0:
        last = [text for text in done.stderr.strip().splitlines() if text][-1:] or ["no word"]
        raise RuntimeError(f"exit code {done.returncode}: {last[0]}")
    return done.stdout


def name_of(field):
    return field.split(" ")[0]


def settings(row):
    return {name_of(name): value for name, value in row if name_of(name) not in MEASURED}


def key(row):
    return repr([item for item in settings(row).items() if item[0] not in KNOWN])


def differences(theirs, ours):
    """How our rows differ from theirs: (field or "", what)."""
    if len(theirs) != len(ours):
        yield "", f"{len(theirs)} rows there, {len(ours)} here"
    if not theirs or not ours:
        return
    count = len(theirs[0])
    names = [[name for name, _ in row] for row in (theirs[0], ours[0])]
    if names[0] != names[1][:count]:
        wrong = next(i for i in range(count) if i >= len(names[1]) or names[0][i] != names[1][i])
        yield "", f"column {wrong + 1} is {names[0][wrong]} there and {names[1][wrong:wrong + 1]} here"
        return
    ours = [row[:count] for row in ours]
    if [key(row) for row in theirs] != [key(row) for row in ours]:
        if sorted(map(key, theirs)) == sorted(map(key, ours)):
            yield "", "the same rows in another order"
            ours.sort(key=lambda row: [key(other) for other in theirs].index(key(row)))
    for there, here in zip(theirs, ours):
        for (name, a), (_, b) in zip(there, here):
            name = name_of(name)
            if kind(a) != kind(b):
                yield name, f"{kind(a)} there ({a!r}), {kind(b)} here ({b!r})"
            elif name not in MEASURED and a != b:
                yield name, f"{a!r} there, {b!r} here"


def compare_fields(args, state, endpoint):
    bad = 0
    for number, line in enumerate(LINES, 1):
        theirs_typed, typed = line if isinstance(line, tuple) else (line, line)
        if "ENDPOINT" in typed and not endpoint:
            print(f"{number:2} {typed}\n     not run: no RPC in this llama-bench")
            continue
        theirs_typed, typed = (text.replace("ENDPOINT", endpoint or "") for text in (theirs_typed, typed))
        found = {}
        for form in FORMATS:
            try:
                theirs = run(args.llama_bench, args.model, theirs_typed, form, state)
            except RuntimeError as error:
                found[("", f"llama-bench: {error}")] = [form]
                break
            try:
                ours = READ[form](run(args.lbench, args.model, typed, form, state))
                for difference in differences(READ[form](theirs), ours):
                    found.setdefault(difference, []).append(form)
            except (RuntimeError, AssertionError, ValueError, sqlite3.Error) as error:
                found.setdefault(("", f"lbench: {error}"), []).append(form)
        new = {what: forms for what, forms in found.items() if what[0] not in KNOWN}
        bad += bool(new)
        print(f"{number:2} {typed}\n     {'differs' if new else 'same'}", flush=True)
        for (field, what), forms in new.items():
            print(f"     {','.join(dict.fromkeys(forms))}: {field} {what}")
    print("\nmeant to differ:")
    for field, why in KNOWN.items():
        print(f"  {field}: {why}")
    return bad


def renamed(text, form, commit):
    """The same results as if of another build."""
    pattern = {
        "csv": r'(?m)^"[^"]*"',
        "sql": r"(?m)(INSERT INTO llama_bench \([^)]*\) VALUES \()'[^']*'",
    }.get(form, r'("build_commit": )"[^"]*"')
    quote = "'" if form == "sql" else '"'
    return re.sub(pattern, lambda found: (found[1] if found.groups() else "") + quote + commit + quote, text)


def compare_script(args, state):
    """llama.cpp's script on two builds, of each tool alone and of one against the other."""
    line, bad = "-p 16,32 -n 4 -fa 0,1", 0
    old, new = "aaaaaaa1", "bbbbbbb2"
    pairs = [("llama-bench", args.llama_bench, args.llama_bench), ("lbench", args.lbench, args.lbench),
             ("one against the other", args.llama_bench, args.lbench)]
    for what, before, after in pairs:
        for form in FORMATS:
            texts = [renamed(run(binary, args.model, line, form, state), form, commit)
                     for binary, commit in ((before, old), (after, new))]
            if what.startswith("one"):
                # Size classes that llama.cpp has no name for are not the point here.
                texts = [re.sub(r"llama (\?B|\d+M) ", "llama 1B ", text) for text in texts]
            folder = Path(tempfile.mkdtemp(dir=state))
            files = []
            if form == "sql":
                database = sqlite3.connect(folder / "bench.sqlite")
                for text in texts:
                    database.executescript(text)
                database.close()
                files = [folder / "bench.sqlite"]
            elif form == "jsonl":
                files = [folder / "bench.jsonl"]
                files[0].write_text("".join(texts))
            else:
                for index, text in enumerate(texts):
                    files.append(folder / f"{index}.{form}")
                    files[-1].write_text(text)
            inputs = [part for file in files for part in ("-i", str(file))]
            done = subprocess.run([sys.executable, args.compare, "-t", "llama-bench", "-b", old, "-c", new, *inputs],
                                  capture_output=True, text=True, cwd=folder)
            rows = [text for text in done.stdout.splitlines() if text.startswith("|")][2:]
            good = done.returncode == 0 and len(rows) == 6
            bad += not good
            word = f"read, {len(rows)} rows" if good else (done.stderr.strip().splitlines() or ["?"])[-1]
            print(f"{what}, {form}: {word}")
    return bad


def rpc_server(args, state):
    """An RPC server of lbench, where llama-bench can use one; else nothing."""
    known = subprocess.run([args.llama_bench, "--help"], capture_output=True, text=True).stdout
    if "-rpc" not in known:
        return None, None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([args.lbench, "rpc-server", "-p", str(port), "-d", "CPU"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"127.0.0.1:{port}"
        time.sleep(0.1)
    return server, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("llama_bench", "lbench", "model"):
        parser.add_argument(name)
    parser.add_argument("--compare", metavar="SCRIPT", help="llama.cpp's compare-llama-bench.py")
    args = parser.parse_args()
    for name in ("llama_bench", "lbench", "model", "compare"):
        path = getattr(args, name)
        setattr(args, name, str(Path(path).resolve()) if path else None)
    with tempfile.TemporaryDirectory() as state:
        server, endpoint = rpc_server(args, state)
        try:
            bad = compare_fields(args, state, endpoint)
            if args.compare:
                print()
                bad += compare_script(args, state)
        finally:
            if server:
                server.terminate()
                server.wait()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
