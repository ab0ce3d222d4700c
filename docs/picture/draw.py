#!/usr/bin/env python3
"""Draws docs/picture/run.svg from what a real run writes to a terminal.

    docs/picture/draw.py [BINARY]

Runs the quickstart with --follow on a pseudo-terminal of 84 columns, keeps what stands on the screen
at the end, and writes it as an SVG. Nothing in the picture is made up except the prompt.
"""
import html
import os
import pty
import re
import struct
import sys
import tempfile
import fcntl
import termios

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS, ROWS = 84, 200
COLOURS = {30: "#6e7681", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff",
           36: "#a5d6ff", 37: "#e6edf3", 90: "#8b949e", 91: "#ffa198", 92: "#7ee787", 93: "#e3b341",
           94: "#79c0ff", 95: "#d2a8ff", 96: "#a5d6ff"}
SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


def record(binary):
    """All bytes that the run writes to its terminal."""
    home = tempfile.mkdtemp(prefix="subrosa-picture-")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        env = {"PATH": os.environ["PATH"], "HOME": home, "SUBROSA_HOME": "/tmp/subrosa", "TERM": "xterm-256color",
               "LANG": "C.UTF-8"}
        os.execve(binary, ["subrosa", "run", "--follow", "testdata/quickstart/workflow.yaml"], env)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    out = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.waitpid(pid, 0)
    return out.decode()


def screen(text):
    """Lines of (character, colour, bold) after the terminal did what the text says."""
    lines, row, column, style = [[]], 0, 0, (None, False)
    at = 0
    while at < len(text):
        match = SEQUENCE.match(text, at)
        if match:
            at = match.end()
            numbers = [int(n) for n in match[1].split(";") if n.isdigit()] or [0]
            kind = match[2]
            if kind == "m":
                for n in numbers:
                    if n == 0:
                        style = (None, False)
                    elif n in (1, 2):
                        style = (style[0] if n == 1 else COLOURS[90], n == 1)
                    elif n in (22, 39):
                        style = (None, style[1])
                    elif n in COLOURS:
                        style = (COLOURS[n], style[1])
            elif kind == "A":
                row = max(0, row - max(1, numbers[0]))
            elif kind == "J":
                lines[row] = lines[row][:column]
                del lines[row + 1:]
            elif kind == "K":
                lines[row] = lines[row][:column]
            elif kind == "G":
                column = max(0, numbers[0] - 1)
            continue
        char = text[at]
        at += 1
        if char == "\r":
            column = 0
        elif char == "\n":
            row += 1
            if row == len(lines):
                lines.append([])
        elif char >= " ":
            line = lines[row]
            while len(line) <= column:
                line.append((" ", None, False))
            line[column] = (char, *style)
            column += 1
    return lines


def svg(lines):
    while lines and not any(cell[0].strip() for cell in lines[-1]):
        lines.pop()
    line_height, char, left, top = 20, 8.43, 18, 46
    width = round(left * 2 + COLUMNS * char)
    height = top + line_height * len(lines) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
           'aria-label="a run of the quickstart in a terminal">',
           f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>']
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{20 + 20 * index}" cy="18" r="6" fill="{colour}"/>')
    out.append('<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" '
               'font-size="14" fill="#e6edf3" xml:space="preserve">')
    for row, line in enumerate(lines):
        runs = []
        for column, (text, colour, bold) in enumerate(line):
            if runs and runs[-1][2:] == (colour, bold):
                runs[-1] = (runs[-1][0], runs[-1][1] + text, colour, bold)
            else:
                runs.append((column, text, colour, bold))
        y = top + line_height * row
        for column, text, colour, bold in runs:
            if not text.strip():
                continue
            style = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if bold else "")
            x = left + column * char
            length = len(text) * char
            out.append(f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}"{style}>{html.escape(text)}</text>')
    out += ["</g>", "</svg>"]
    return "\n".join(out) + "\n"


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "target/release/subrosa"))
    lines = screen("$ subrosa run --follow testdata/quickstart/workflow.yaml\r\n" + record(binary))
    with open(os.path.join(ROOT, "docs/picture/run.svg"), "w") as file:
        file.write(svg(lines))


if __name__ == "__main__":
    main()
