#!/usr/bin/env python3
"""Draws docs/run.svg: a real run of the quickstart, as a terminal shows it.

    python3 docs/picture.py target/debug/trueup

Standard library only. It works in a temporary directory, and destroys what it applied.
"""

import glob
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLUEPRINT = "blueprints/quickstart.yaml"
COLOURS = {"31": "#f38ba8", "32": "#a6e3a1", "33": "#f9e2af", "35": "#cba6f7", "36": "#89dceb"}
CHARACTER, LINE, MARGIN, LONGEST = 8.4, 19, 18, 116


def run(program, directory):
    """What a person types, and what they are shown, with its colours."""
    environment = dict(os.environ, CLICOLOR_FORCE="1", XDG_STATE_HOME=os.path.join(directory, "state"))

    def shell(shown, *words):
        done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True)
        return [f"\x1b[36m$\x1b[0m \x1b[1m{shown}\x1b[0m", *done.stdout.rstrip().splitlines(), ""]

    lines = shell(f"trueup apply {BLUEPRINT} --yes", program, "apply", BLUEPRINT, "--yes")
    line = subprocess.run([program, "output", BLUEPRINT, "try"], cwd=directory, capture_output=True, text=True).stdout.strip()
    lines += shell(line, "sh", "-c", line)
    model = glob.glob(os.path.join(directory, ".trueup/local/buckets/*/*/model.json"))[0]
    with open(model, "a") as file:
        file.write(" ")
    lines += shell("echo ' ' >> .trueup/local/buckets/…/model.json     # somebody alters the model by hand", "true")[:1]
    lines += shell(f"trueup drift {BLUEPRINT} --correct --yes", program, "drift", BLUEPRINT, "--correct", "--yes")
    lines += shell(f"trueup plan {BLUEPRINT}", program, "plan", BLUEPRINT)
    subprocess.run([program, "destroy", BLUEPRINT, "--yes"], cwd=directory, env=environment, capture_output=True, check=True)
    return lines[:-1]


def spans(line):
    """The pieces of a line, each with its style."""
    style, length = set(), 0
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if code:
            for number in code.group(1).split(";"):
                style = {
                    "": set(), "0": set(), "39": style - set(COLOURS), "22": style - {"1", "2"},
                }.get(number, (style - set(COLOURS) if number in COLOURS else style) | {number})
        elif piece:
            piece = piece[: LONGEST - length]
            length += len(piece)
            yield piece, style


def draw(lines):
    width, height = LONGEST * CHARACTER + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">'
    yield f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#1e1e2e"/>'
    for row, line in enumerate(lines):
        column, pieces = 0, []
        for text, style in spans(line):
            colour = next((COLOURS[code] for code in style if code in COLOURS), "#7f849c" if "2" in style else "#cdd6f4")
            weight = ' font-weight="bold"' if "1" in style else ""
            start = MARGIN + column * CHARACTER
            pieces.append(f'<tspan x="{start:.1f}" fill="{colour}"{weight}>{html.escape(text)}</tspan>')
            column += len(text)
        yield f'<text y="{MARGIN + row * LINE + 14}" xml:space="preserve">{"".join(pieces)}</text>'
    yield "</svg>"


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(os.path.join(ROOT, "blueprints"), os.path.join(directory, "blueprints"))
        lines = run(program, directory)
    with open(os.path.join(ROOT, "docs/run.svg"), "w") as file:
        file.write("\n".join(draw(lines)) + "\n")


if __name__ == "__main__":
    main()
