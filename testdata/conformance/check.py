#!/usr/bin/env python3
"""Judges subrosa by every conformance case; the gate behind `./test`.

    check.py --bin target/release/subrosa [-j N]

run_cases.py says how a case is run and what passes. This adds what a gate needs: every case runs,
those that must not run as root in a child process without privileges; a case in not-yet.txt has to
fail, cleanly, until its line is taken out; a case that could not run is a failure, not a gap.
"""
import argparse
import concurrent.futures
import json
import os
import resource  # noqa: F401  os.wait4 loads it late, when nobody could not
import shutil
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True  # the work tree stays as it was

import run_cases  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = 65534


def read_not_yet(path):
    """The listed ids, each with its reason."""
    listed = {}
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            case_id, colon, reason = line.partition(": ")
            if not colon or not reason or case_id in listed:
                sys.exit("%s:%d: wanted `id: reason`, each id once" % (path, number))
            listed[case_id] = reason
    return listed


def load_cases():
    """Folder and description of every case, by id."""
    cases = {}
    for name in sorted(os.listdir(HERE)):
        folder = os.path.join(HERE, name)
        if os.path.isfile(os.path.join(folder, "case.yaml")):
            cases[name] = (folder, run_cases.load(folder))
    return cases


def run(binary, folder, case):
    return run_cases.run_one("subrosa", binary, folder, case, keep=False)


def run_unprivileged(binary, cases):
    """Runs cases as nobody: in a child of ours, as nobody may be barred from this interpreter's
    files but not from what is in memory already."""
    room = tempfile.mkdtemp(prefix="unprivileged-")
    try:
        os.chmod(room, 0o755)
        open_binary = shutil.copy(binary, room)
        os.chmod(open_binary, 0o755)
        copies = []
        for folder, case in cases:
            copy = shutil.copytree(folder, os.path.join(room, case["id"]))
            for base, _, files in os.walk(copy):
                os.chmod(base, 0o755)
                for name in files:
                    os.chmod(os.path.join(base, name), 0o644)
            copies.append((copy, case))
        os.mkdir(os.path.join(room, "tmp"))
        os.chown(os.path.join(room, "tmp"), NOBODY, NOBODY)
        return in_child(room, lambda: [run(open_binary, copy, case) for copy, case in copies])
    finally:
        shutil.rmtree(room, ignore_errors=True)


def in_child(room, work):
    """What `work` returns (as JSON) in a child process that is nobody, at home in `room`."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.chdir(room)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            tempfile.tempdir = os.path.join(room, "tmp")
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
            status = 0
        except BaseException:  # this process must end here, whatever happened
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit("the cases that must not run as root could not be run unprivileged (see above)")
    return json.loads(answer)


def run_all(binary, cases, jobs):
    """The results of all cases."""
    unprivileged = {
        case_id for case_id, (_, case) in cases.items()
        if os.geteuid() == 0 and "nonroot" in (case.get("needs") or [])
    }
    results = []
    if unprivileged:  # first: forking is safe while there are no threads
        results += run_unprivileged(binary, [cases[case_id] for case_id in sorted(unprivileged)])
    rest = [cases[case_id] for case_id in cases if case_id not in unprivileged]
    together = [item for item in rest if not item[1].get("serial")]
    alone = [item for item in rest if item[1].get("serial")]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results += pool.map(lambda item: run(binary, *item), together)
    results += [run(binary, *item) for item in alone]
    return sorted(results, key=lambda result: (result["topic"], result["id"]))


def complaints(result, listed):
    """What is wrong with a result, given whether its case is listed as not yet passing."""
    errors = result["errors"]
    if result["status"] == "skipped":
        return ["could not run: %s" % "; ".join(errors)]
    if not listed:
        return errors if result["status"] != "passed" else []
    if result["status"] == "passed":
        return ["passes now: take its line out of not-yet.txt"]
    return [error for error in errors if "crashed" in error or error.startswith("runner:")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="the binary to judge")
    parser.add_argument("-j", dest="jobs", type=int, default=os.cpu_count() or 1, help="cases at once")
    options = parser.parse_args()
    binary = os.path.abspath(options.bin)
    if not os.access(binary, os.X_OK):
        parser.error("no executable at %s" % options.bin)
    cases = load_cases()
    listed = read_not_yet(os.path.join(HERE, "not-yet.txt"))
    failed = 0
    for case_id in sorted(set(listed) - set(cases)):
        failed += 1
        print("FAILED   not-yet.txt: there is no case %s" % case_id)
    passed, waiting, skipped = 0, {}, 0
    for result in run_all(binary, cases, max(1, options.jobs)):
        wrong = complaints(result, result["id"] in listed)
        if wrong:
            skipped += result["status"] == "skipped"
            failed += result["status"] != "skipped"
            print("%-8s %-12s %s" % ("SKIPPED" if result["status"] == "skipped" else "FAILED",
                                     result["topic"], result["id"]))
            for error in wrong:
                print("           " + error)
        elif result["id"] in listed:
            waiting.setdefault(listed[result["id"]], []).append(result["id"])
        else:
            passed += 1
    for reason, ids in waiting.items():
        print("not yet  %s: %s" % (reason, ", ".join(ids)))
    count = sum(len(ids) for ids in waiting.values())
    print("%d passed, %d failed, %d skipped, %d not yet" % (passed, failed, skipped, count))
    return 1 if failed or skipped else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except run_cases.CaseError as error:
        sys.exit("case error: %s" % error)
