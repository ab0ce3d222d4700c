#!/usr/bin/env python3
"""Times subrosa and Dagu 1.30.2 in turn, on the same workflows, on the machine it is started on.

    compare.py [--bin target/release/subrosa] [--rounds 7] [--output-rounds 3] [--mib 256]
               [--only one,chain,parallel,output] [--without subrosa] [--dagu PATH] [--json FILE]

Prints a Markdown table; --json also keeps every sample. Needs Python 3.9 or newer, and npm to fetch
Dagu into benches/.work once (Dagu is GPL software: it is started, never linked or shipped).

What is measured
  wall   from starting the process until it has ended.
  cpu    user and system time of the engine and of every process it waited for, steps included
         (wait4). What the step of `output` takes by itself is measured apart and printed below.
  peak   the largest resident size of the engine's own process (VmHWM), read every millisecond in a
         run of its own. wait4's figure will not do: it starts at the size of the process that forked,
         this interpreter, and covers the steps too.
How
  Contenders take turns: A B A B ... Each figure is the median of its rounds, each ratio the median
  of the ratios within rounds, so that a machine that gets slower slows both. One round before
  is not counted. Every run has a fresh home, an environment of PATH, HOME and TMPDIR, and writes
  what it says into a file.
Checked before and while
  That every step really runs, in order where order is asked for; that the redirect file of `output`
  is, byte for byte, the text with its 100 secrets masked.
"""
import argparse
import dataclasses
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(HERE, ".work")
DAGU_VERSION = "1.30.2"
LIMIT_S = 900
MASK = b"*******"
SECRET_COUNT = 100


# ---------------------------------------------------------------- contenders

class Subrosa:
    name = "subrosa"

    def __init__(self, binary):
        self.binary = binary

    def argv(self, workflow):
        return [self.binary, "run", workflow]

    def prepare(self, home):
        return {"SUBROSA_HOME": home}

    def step_key(self):
        return "run"


class Dagu:
    name = "dagu"

    def __init__(self, binary):
        self.binary = binary

    def argv(self, workflow):
        return [self.binary, "start", workflow]

    def prepare(self, home):
        # Without this file the first start writes example workflows.
        os.makedirs(os.path.join(home, "dags"))
        open(os.path.join(home, "dags", ".examples-created"), "w").close()
        return {"DAGU_HOME": home}

    def step_key(self):
        return "command"


class Shell:
    """A script that starts the same commands one by one, each in a shell as an engine does."""

    name = "shell"

    def argv(self, workflow):
        return ["sh", "-e", workflow]

    def prepare(self, home):
        return {}


def fetch_dagu():
    """The path of Dagu's binary, installed below benches/.work when it is not there yet."""
    binary = os.path.join(WORK, "node_modules", "@dagu-org", "dagu-linux-x64", "bin", "dagu")
    if not os.path.exists(binary):
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            sys.exit("this fetches Dagu for Linux on x86-64 only; give another binary with --dagu")
        if not shutil.which("npm"):
            sys.exit("npm is not installed, so Dagu cannot be fetched; give a binary with --dagu")
        os.makedirs(WORK, exist_ok=True)
        package = "@dagu-org/dagu-linux-x64@" + DAGU_VERSION
        subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", WORK, package],
                       check=True, stdout=sys.stderr)
    return binary


def check_dagu_version(binary):
    said = subprocess.run([binary, "version"], capture_output=True, text=True, check=True)
    if DAGU_VERSION not in said.stdout + said.stderr:
        sys.exit("%s is not Dagu %s" % (binary, DAGU_VERSION))


# ---------------------------------------------------------------- workflows

def write_workflow(path, contender, kind, commands, secrets=(), stdout=None):
    """Writes steps s0, s1, ... with these commands; `kind` is chain or graph (nothing depends on anything)."""
    lines = []
    if contender.name == "shell":
        lines = ["sh -e -c %s" % quote(command) for command in commands]
    else:
        lines.append("type: " + kind)
        if secrets:
            lines.append("secrets:")
            lines += ["  - {name: S%d, provider: env, key: K%d}" % (i, i) for i in range(len(secrets))]
        lines.append("steps:")
        for i, command in enumerate(commands):
            lines += ["  - name: s%d" % i, "    %s: %s" % (contender.step_key(), json.dumps(command))]
            if stdout:
                lines.append("    stdout: " + json.dumps(stdout))
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def quote(command):
    return "'" + command.replace("'", "'\\''") + "'"


@dataclasses.dataclass
class Case:
    name: str
    title: str
    kind: str
    steps: int
    peak_command: str  # keeps the steps alive long enough for the peak to be read
    against: tuple = ("dagu",)


CASES = [
    Case("one", "1 step", "graph", 1, "sleep 0.3"),
    Case("chain", "300 steps, one after the other", "chain", 300, "true", ("dagu", "shell")),
    Case("parallel", "100 steps at once", "graph", 100, "sleep 0.3"),
    Case("output", "{mib} MiB of lines, 100 secrets", "graph", 1, ""),
]

# Case, quantity, contender it is held against, the largest good ratio.
GOALS = [
    ("one", "wall", "dagu", 0.3),
    ("chain", "wall", "dagu", 0.1),
    ("chain", "wall", "shell", 3.0),
    ("parallel", "wall", "dagu", 0.2),
    ("output", "cpu", "dagu", 0.1),
    ("output", "wall", "dagu", None),
]
PEAK_MIB = 25


# ---------------------------------------------------------------- one run

@dataclasses.dataclass
class Sample:
    wall: float
    cpu: float
    peak: float = 0.0     # MiB; only in runs that read it
    intact: bool = True   # only in `output`


class Room:
    """A folder for one run, gone afterwards."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="compare-", dir=WORK)
        for name in ("home", "user", "tmp", "cwd"):
            os.mkdir(self.file(name))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.path, name)

    def environment(self, contender, extra):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.file("user"),
               "TMPDIR": self.file("tmp"), "LC_ALL": "C.UTF-8"}
        env.update(contender.prepare(self.file("home")))
        env.update(extra)
        return env


def peak_mib(pid):
    try:
        with open("/proc/%d/status" % pid) as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def watch_peak(pid):
    """Reads the peak until the process has ended, and leaves it to be waited for."""
    peak = 0.0
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        peak = max(peak, peak_mib(pid))
        time.sleep(0.001)
    return peak


class TooLong(Exception):
    """A run took longer than LIMIT_S."""


def give_up(*_):
    raise TooLong


def start_and_wait(argv, env, room, read_peak):
    """Runs to the end; a failure ends the whole comparison, with what the contender said."""
    with open(room.file("said"), "wb") as said:
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                   cwd=room.file("cwd"), env=env, start_new_session=True)
        try:
            signal.alarm(LIMIT_S)
            peak = watch_peak(process.pid) if read_peak else 0.0
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        except BaseException:  # too long, or interrupted: its steps must not outlive us
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            signal.alarm(0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(room.file("said"), errors="replace") as said:
            sys.stderr.write(said.read()[-4000:])
        sys.exit("%s ended with %d" % (" ".join(argv), process.returncode))
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak)


def run_steps(case, contender, command, read_peak=False):
    with Room() as room:
        workflow = room.file("workflow.yaml")
        write_workflow(workflow, contender, case.kind, [command] * case.steps)
        return start_and_wait(contender.argv(workflow), room.environment(contender, {}), room, read_peak)


def check_steps(case, contender):
    """Runs the case once with steps that leave a mark, and counts the marks."""
    with Room() as room:
        workflow, marks = room.file("workflow.yaml"), room.file("marks")
        commands = ["echo %d >> %s" % (i, quote(marks)) for i in range(case.steps)]
        write_workflow(workflow, contender, case.kind, commands)
        start_and_wait(contender.argv(workflow), room.environment(contender, {}), room, False)
        with open(marks) as file:
            seen = [int(line) for line in file]
        if (seen if case.kind == "chain" else sorted(seen)) != list(range(case.steps)):
            sys.exit("%s did not run the steps of `%s` as asked" % (contender.name, case.name))


# ---------------------------------------------------------------- the case with output

class Text:
    """Log-like lines with a secret in one of fifty, in a file, and the digest of the masked text."""

    def __init__(self, path, mib):
        chance = random.Random(7)
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

        def word(count):
            return "".join(chance.choices(letters, k=count))

        self.secrets = ["sk-" + word(33) for _ in range(SECRET_COUNT)]
        lines = []
        for i in range(50 * SECRET_COUNT):
            tail = "token=" + self.secrets[i // 50] if i % 50 == 0 else "trace=" + word(24)
            lines.append("2026-01-01T00:%02d:%02d.%03dZ INFO worker-%d request %s took %d ms, %s"
                         % (i // 60 % 60, i % 60, i % 1000, i % 16, word(12), chance.randrange(900), tail))
        block = ("\n".join(lines) + "\n").encode()
        masked = block
        for secret in self.secrets:
            masked = masked.replace(secret.encode(), MASK)
        count = max(1, mib * 2**20 // len(block))
        self.path = path
        digest = hashlib.sha256()
        with open(self.path, "wb") as file:
            for _ in range(count):
                file.write(block)
                digest.update(masked)
        self.size, self.masked_size = count * len(block), count * len(masked)
        self.masked_digest = digest.hexdigest()

    def env(self):
        return {"K%d" % i: secret for i, secret in enumerate(self.secrets)}

    def is_masked_copy(self, path):
        if os.path.getsize(path) != self.masked_size:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(2**20), b""):
                digest.update(chunk)
        return digest.hexdigest() == self.masked_digest

    def generator_cpu(self):
        """CPU seconds of `cat` alone, into a pipe that is read as fast as it goes."""
        process = subprocess.Popen(["cat", self.path], stdout=subprocess.PIPE)
        while process.stdout.read1(2**20):
            pass
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        return usage.ru_utime + usage.ru_stime


def run_output(text, contender, read_peak=False):
    with Room() as room:
        workflow, out = room.file("workflow.yaml"), room.file("out.txt")
        write_workflow(workflow, contender, "graph", ["cat " + quote(text.path)], text.secrets, out)
        env = room.environment(contender, text.env())
        sample = start_and_wait(contender.argv(workflow), env, room, read_peak)
        sample.intact = text.is_masked_copy(out)
        return sample


# ---------------------------------------------------------------- rounds

def tell(text):
    print(text, file=sys.stderr, flush=True)


def measure(case, contenders, rounds, run, run_peak):
    """Samples by contender, one a round, and the peak of each."""
    for contender in contenders:
        run(contender)  # not counted
    samples = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            sample = run(contender)
            samples[contender.name].append(sample)
            tell("%s, round %d: %s %.3f s wall, %.3f s cpu" % (
                case.name, number + 1, contender.name, sample.wall, sample.cpu))
    peaks = {contender.name: run_peak(contender).peak
             for contender in contenders if contender.name != "shell"}
    return samples, peaks


def measure_case(case, contenders, options, text):
    taking_part = [c for c in contenders if c.name == "subrosa" or c.name in case.against]
    if case.name == "output":
        return measure(case, taking_part, options.output_rounds,
                       lambda c: run_output(text, c), lambda c: run_output(text, c, read_peak=True))
    for contender in taking_part:
        check_steps(case, contender)
    return measure(case, taking_part, options.rounds,
                   lambda c: run_steps(case, c, "true"),
                   lambda c: run_steps(case, c, case.peak_command, read_peak=True))


# ---------------------------------------------------------------- the table

TITLES = {"dagu": "Dagu " + DAGU_VERSION, "shell": "shell script", "subrosa": "subrosa"}


def seconds(value):
    return "%.1f ms" % (value * 1000) if value < 1 else "%.2f s" % value


def median(samples, quantity):
    return statistics.median(getattr(sample, quantity) for sample in samples)


def row_of_goal(results, titles, goal):
    case, quantity, other, limit = goal
    samples, _ = results[case]
    cells = [titles[case], quantity, "-", TITLES[other], seconds(median(samples[other], quantity)), "-",
             "<= %g" % limit if limit else "-", "-"]
    if "subrosa" in samples:
        ratio = statistics.median(getattr(mine, quantity) / getattr(theirs, quantity)
                                  for mine, theirs in zip(samples["subrosa"], samples[other]))
        cells[2], cells[5] = seconds(median(samples["subrosa"], quantity)), "%.3f" % ratio
        if limit:
            cells[7] = "yes" if ratio <= limit else "NO"
    return cells


def row_of_peak(titles, case, peaks):
    mine, theirs = peaks.get("subrosa"), peaks.get("dagu")
    return [titles[case], "peak", "%.1f MiB" % mine if mine else "-", TITLES["dagu"],
            "%.1f MiB" % theirs if theirs else "-", "%.3f" % (mine / theirs) if mine and theirs else "-",
            "<= %d MiB" % PEAK_MIB, "-" if not mine else "yes" if mine <= PEAK_MIB else "NO"]


def table(results, titles):
    rows = [["case", "quantity", "subrosa", "against", "figure", "ratio", "goal", "met"], ["---"] * 8]
    rows += [row_of_goal(results, titles, goal) for goal in GOALS
             if goal[0] in results and goal[2] in results[goal[0]][0]]
    rows += [row_of_peak(titles, case, peaks) for case, (_, peaks) in results.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def machine():
    model = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return {"cores": len(os.sched_getaffinity(0)), "cpu": model, "kernel": platform.release()}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default="target/release/subrosa", help="subrosa's binary")
    parser.add_argument("--dagu", help="Dagu's binary (default: fetched into benches/.work)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output-rounds", type=int, default=3, help="rounds of the case with output")
    parser.add_argument("--mib", type=int, default=256, help="size of the output")
    parser.add_argument("--only", default=",".join(case.name for case in CASES), help="cases, by name")
    parser.add_argument("--without", choices=["subrosa", "dagu"], help="leave one contender out")
    parser.add_argument("--json", metavar="FILE", help="keep every sample")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - {case.name for case in CASES}:
        parser.error("no case is called %s" % ", ".join(sorted(unknown)))
    if options.without != "subrosa" and not os.access(options.bin, os.X_OK):
        parser.error("no executable at %s" % options.bin)
    return options


def choose_contenders(options):
    contenders = []
    if options.without != "subrosa":
        contenders.append(Subrosa(os.path.abspath(options.bin)))
    if options.without != "dagu":
        contenders.append(Dagu(os.path.abspath(options.dagu or fetch_dagu())))
        check_dagu_version(contenders[-1].binary)
    return contenders + [Shell()]


def notes_on(results, options, text):
    """What has to be known beside the table, a sentence each."""
    notes = ["%(cores)d cores, %(cpu)s, Linux %(kernel)s" % machine()]
    notes[0] += "; %d rounds (output: %d)" % (options.rounds, options.output_rounds)
    if text:
        own = statistics.median(text.generator_cpu() for _ in range(3))
        notes.append("the step that prints %d bytes takes %s of the cpu by itself" % (text.size, seconds(own)))
        for name, samples in results["output"][0].items():
            good = sum(sample.intact for sample in samples)
            notes.append("%s: output complete and masked in %d of %d rounds" % (TITLES[name], good, len(samples)))
    return notes


def write_samples(path, results, notes):
    cases = {case: {"samples": {name: [dataclasses.asdict(sample) for sample in taken]
                                for name, taken in samples.items()}, "peak_mib": peaks}
             for case, (samples, peaks) in results.items()}
    with open(path, "w") as file:
        json.dump({"machine": machine(), "notes": notes, "cases": cases}, file, indent=1)


def main():
    options = parse_options()
    signal.signal(signal.SIGALRM, give_up)
    os.makedirs(WORK, exist_ok=True)
    contenders = choose_contenders(options)
    titles = {case.name: case.title.format(mib=options.mib) for case in CASES}
    with tempfile.TemporaryDirectory(prefix="text-", dir=WORK) as folder:
        text = Text(os.path.join(folder, "text"), options.mib) if "output" in options.only else None
        results = {case.name: measure_case(case, contenders, options, text)
                   for case in CASES if case.name in options.only}
        notes = notes_on(results, options, text)
    print(table(results, titles) + "\n")
    print("\n".join("- " + note for note in notes))
    if options.json:
        write_samples(options.json, results, notes)
    lost = text and not all(sample.intact for sample in results["output"][0].get("subrosa", []))
    return 1 if lost else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TooLong:
        sys.exit("a run took longer than %d s" % LIMIT_S)
