"""Build the documentation site into build/site: python -m tests.build_docs.

The pages of docs/ are copied, and the reference is generated: the command line from its parsers,
inputs and columns from their declarations, devices and sources from the profiles, equations from
the docstrings that the page Methodology shows, the Python interface from its docstrings. Zensical,
pinned in .ci/docs.txt and installed into an environment of its own, builds the site; a warning is
an error.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
TOOLS = ROOT / ".tools" / "docs"
SITE_NAME = "Twenty Watts"

NAV = {
    "Home": "index.md",
    "Tutorials": "tutorials",
    "How-to guides": "how-to",
    "Explanation": "explanation",
    "Reference": "reference",
    "Contributing": "contributing.md",
}
"""Heading of the site -> its page, or the folder of its pages."""

FIRST = ("first-estimate", "method")
"""Pages that come first in their folder; the others follow by title."""

OUTSIDE = {"SECURITY.md", "CHANGELOG.md"}
"""Files beside the README that pages link to."""


def table(header, rows):
    """Write a Markdown table.

    >>> print(table(("a", "b"), [("1", "x|y")]))
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    """
    cells = [header, ["---"] * len(header), *rows]
    text = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in text)


def command_line():
    """Help of every command and verb, as it prints it."""
    from estimator.cli import COMMANDS
    from tests.in_process import run

    yield "# Command line\n\n`twenty-watts` and `python3 -m estimator` are the same."
    for words in (*((name,) for name in COMMANDS), *verbs()):
        reported = run(*words, "--help")
        assert reported.returncode == 0, reported.stderr
        level = "#" * (len(words) + 1)
        yield f"{level} {' '.join(words)}\n\n```text\n{reported.stdout.strip()}\n```"


def verbs():
    """Commands with verbs, each with one of them, as its help lists them."""
    from tests.in_process import run

    for command in ("calibrate", "profiles"):
        listed = re.search(r"\nverbs:\n(.*?)\n\n", run(command, "--help").stdout + "\n\n", re.S)
        for verb in re.findall(r"^    (\w+)", listed[1], re.M):
            yield command, verb


def inputs():
    """Every input: option, columns, unit, meaning and bounds."""
    from estimator.core.bounds import LIMITS
    from estimator.question.inputs import GROUPS, REGISTRY, option_of

    yield (
        "# Inputs\n\nAn input has the same name as an option, a column of a table, a field in "
        "Python and a parameter of a link. A number may be written 7e9, 7B or 300k."
    )
    for group, heading in GROUPS.items():
        rows = []
        for name, declared in REGISTRY.items():
            if declared.group != group:
                continue
            limit = LIMITS.get(declared.limits or name) if declared.number else None
            bounds = f"{limit.least:g} to {limit.most:g}" if limit else ""
            choices = ", ".join(declared.choices)
            columns = ", ".join(f"`{column}`" for column in declared.columns or (name,))
            unit = declared.unit or ("yes or no" if declared.flag else "")
            rows.append(
                (f"`{option_of(name)}`", columns, declared.help, choices or bounds, unit),
            )
        if rows:
            yield f"## {heading[0].upper()}{heading[1:].partition(':')[0]}"
            yield table(("option", "column", "meaning", "values", "unit"), rows)


def outputs():
    """Every result: its key in JSON, its columns, and the unit in which people read it."""
    from estimator.show.quantities import QUANTITIES
    from tests.in_process import run

    yield (
        "# Results\n\nA result ends in its unit. In JSON it is an object with `low`, `mid` and "
        "`high`; in CSV it is three columns, such as `energy_kwh_low`, `energy_kwh_mid` and "
        "`energy_kwh_high`. `low` to `high` is the central 80% interval, or the share that "
        "`--interval` sets. A result that cannot be computed is absent, and `warnings` gives the "
        "reason."
    )
    rows = [(f"`{name}`", label, unit) for name, (label, unit) in QUANTITIES.items()]
    yield table(("key", "meaning", "people read it in"), rows)
    words = "estimate --flop 1e21 --hardware h100 --devices 8 --json"
    answer = json.loads(run(*words.split()).stdout)
    resolved = answer["inputs"]["resolved"]
    answer["inputs"]["resolved"] = dict(list(resolved.items())[:1])
    yield (
        "## One object\n\n`--json` prints one object: `inputs` as they were used, with `resolved` "
        "numbers, their sources and basis; `results`; `spread`, the share of each source in the "
        "log-variance of the energy; `warnings`; and `link`, the query that opens the scenario "
        f"in the app. `{words}`, with one of the resolved numbers:"
    )
    yield f"```json\n{json.dumps(answer, indent=2)}\n```"


def python():
    """Directives for the public names, whose docstrings are read by the site's builder."""
    import estimator

    yield (
        "# Python\n\n`import estimator` gives the names below. Arguments broadcast, so that one "
        "call estimates a million scenarios."
    )
    places = {**estimator._HOME, "measure": "measure.training_run"}
    for name in estimator.__all__:
        yield f"::: estimator.{places[name]}.{name}"


def devices():
    """Every device of the profiles with its main numbers."""
    from estimator.catalog import Catalog
    from estimator.core.units import amount

    yield (
        "# Devices\n\n`profiles show ID` prints every number of a device with its source. Peaks "
        "are dense, of the device's fastest format."
    )
    rows = []
    for device in sorted(Catalog.open().devices(), key=lambda device: (device.kind, device.id)):
        peak = max((record.value for record in device.peaks.values()), default=None)
        known = {name: amount(record.value, record.unit) for name, record in device.records.items()}
        rows.append(
            (
                f"`{device.id}`",
                device.name,
                device.kind,
                "" if peak is None else amount(peak, "FLOP/s"),
                known.get("memory_bytes", ""),
                known.get("tdp_w", ""),
            )
        )
    yield table(("id", "name", "kind", "highest peak", "memory", "power limit"), rows)


def sources():
    """Every source behind a number."""
    from estimator.catalog import Catalog

    yield "# Data sources\n\nNumbers keep the licences of their sources."
    rows = [
        (
            f"[{source.title}]({source.url})" if source.url else source.title,
            source.publisher,
            source.date,
            source.licence,
        )
        for source in Catalog.open().sources()
    ]
    yield table(("source", "publisher", "date", "licence"), rows)


def glossary():
    """Words of the field as the app explains them."""
    from estimator.studies.claims.glossary import GLOSSARY

    yield "# Glossary"
    yield table(("word", "meaning"), [(word, str(text)) for word, text in GLOSSARY.items()])


def equations():
    """Equations of every part of the model, as the page Methodology shows them."""
    from estimator.web.method.page import PARTS, stated

    yield (
        "# Equations\n\nEach is the docstring of the module that computes it; the page Methodology "
        "of the app shows the same, with the numbers behind it."
    )
    for part, name in PARTS.items():
        sentence, lines = stated(part)
        yield f"## {name}\n\n{sentence}"
        if lines:
            yield f"```text\n{lines}\n```"


GENERATED = {
    "explanation/equations.md": equations,
    "reference/command-line.md": command_line,
    "reference/inputs.md": inputs,
    "reference/results.md": outputs,
    "reference/python.md": python,
    "reference/devices.md": devices,
    "reference/sources.md": sources,
    "reference/glossary.md": glossary,
}
"""Page -> what generates it."""


def write_pages(folder):
    """Write every page of the site below a folder."""
    shutil.copytree(ROOT / "docs", folder, dirs_exist_ok=True)
    for name, generate in GENERATED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(generate()) + "\n", encoding="utf-8")
    for page in folder.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name in OUTSIDE:
            text = re.sub(rf"\]\((?:\.\./)+{name}\)", f"]({up(page, folder)}{name})", text)
        page.write_text(text, encoding="utf-8")
    for name in OUTSIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("](docs/", "]("), encoding="utf-8")


def up(page, folder):
    """Way from a page up to the folder of all pages."""
    return "../" * (len(page.relative_to(folder).parts) - 1)


def title(path):
    """First heading of a page."""
    return re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.M)[1]


def navigation(folder):
    """Pages under their headings, those of a folder by title."""
    for heading, place in NAV.items():
        path = folder / place
        if path.is_file():
            yield {heading: place}
        else:
            pages = sorted(
                path.glob("*.md"), key=lambda page: (page.stem not in FIRST, title(page))
            )
            yield {heading: [{title(page): f"{place}/{page.name}"} for page in pages]}


def configuration(folder):
    """Settings of Zensical: no fonts or scripts of other hosts, so that the site works offline."""
    return {
        "project": {
            "site_name": SITE_NAME,
            "site_description": "Estimate time, money, energy and CO2e of training and inference.",
            "docs_dir": folder.name,
            "site_dir": "site",
            "use_directory_urls": False,
            "nav": list(navigation(folder)),
            "theme": {
                "font": False,
                "features": ["navigation.sections", "content.code.copy", "search.highlight"],
                "palette": [
                    {"scheme": "default", "toggle": {"icon": "lucide/moon", "name": "Dark"}},
                    {"scheme": "slate", "toggle": {"icon": "lucide/sun", "name": "Light"}},
                ],
            },
            "plugins": {
                "search": {},
                "mkdocstrings": {
                    "handlers": {
                        "python": {
                            "paths": [str(ROOT)],
                            "options": {
                                "docstring_style": "numpy",
                                "show_source": False,
                                "show_root_heading": True,
                                "show_root_full_path": False,
                                "heading_level": 2,
                            },
                        }
                    }
                },
            },
            "markdown_extensions": {
                "attr_list": {},
                "tables": {},
                "toc": {"permalink": True},
                "pymdownx": {"highlight": {}, "superfences": {}},
            },
        }
    }


def builder():
    """Path of Zensical, installed on the first call."""
    program = TOOLS / "bin" / "zensical"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True)
        pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", str(ROOT / ".ci" / "docs.txt")], check=True)
    return program


def problems(printed):
    """Lines of a build that report a problem, among them those that `--strict` lets pass.

    >>> problems("Build started\\ngriffe: a.py:1: Parameter 'x' does not appear\\nNo issues found")
    ["griffe: a.py:1: Parameter 'x' does not appear"]
    """
    return re.findall(r"(?im)^(?:griffe|mkdocstrings|\w*autorefs):.*$|^.*\bwarning\b.*$", printed)


def main():
    """Build the site and return 0 if there was no warning."""
    from estimator.system import environment

    environment.enter(environment.APP)
    import tomli_w

    pages = BUILD / "pages"
    for left in (pages, BUILD / "site"):
        shutil.rmtree(left, ignore_errors=True)
    write_pages(pages)
    settings = BUILD / "zensical.toml"
    settings.write_text(tomli_w.dumps(configuration(pages)), encoding="utf-8")
    command = [builder(), "build", "--strict", "--clean", "--config-file", settings]
    built = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(built.stdout)
    if built.returncode or problems(built.stdout):
        return 1
    sys.stdout.write(f"built {BUILD / 'site' / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
