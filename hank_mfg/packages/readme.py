"""README.md of a package, in the structure of the social science data editors' template."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from hank_mfg.packages.commands import Command, maker_of
from hank_mfg.packages.facts import NOT_KNOWN, RunFacts
from hank_mfg.packages.member import MODELS, Member
from hank_mfg.runs.kinds import GAME, STATIONARY, WHAT
from hank_mfg.wording import number

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "package"
METHOD = (
    "Wibault, C., J. Forkel, S. Towers, T. Wibault, J. Duque, G. Whittle, A. Schaab, Y. Yang, C. Wang, M. Osborne, "
    "B. Moll and J. Foerster (2026). Recurrent Structural Policy Gradient for Partially Observable Mean Field Games. "
    "arXiv 2602.20141."
)
LONGEST = 200  # characters of a value in the table of parameters
BOTH = re.compile(r"\.(csv|tex|json|pdf|png)$")


class Contents(NamedTuple):
    """Everything that the README says: runs with their commands, facts and parameters, the machine, data files, calls
    in model files that may read data, versions, and what the quick mode took and compares."""

    members: list[Member]
    commands: dict[str, list[Command]]
    models: dict[str, str]
    facts: dict[str, RunFacts]
    parameters: dict[str, list[dict[str, Any]]]
    data: list[str]
    readers: dict[str, list[str]]
    versions: dict[str, set[str]]
    machine: dict[str, Any]
    version: str
    python: str
    size: float
    results: float
    quick: dict[str, Any]


def template(name: str, values: Mapping[str, Any]) -> str:
    """A file of templates/package with its places filled in."""
    return Template((TEMPLATES / name).read_text("utf-8")).substitute(values)


def shell(command: Command) -> str:
    """A command as one line for a shell."""
    words = command.words if command.words[0] == "-c" else ["-m", "hank_mfg", *command.words]
    return f"python {shlex.join(words)}"


def run_all_text(commands: Mapping[str, list[Command]]) -> str:
    """run_all.sh."""
    lines = []
    for name, each in commands.items():
        lines += ["", f"# {_one_line(name)}", *('"$PYTHON"' + shell(one).removeprefix("python") for one in each)]
    return template("run_all.sh", {"commands": "\n".join(lines).lstrip("\n")})


def _one_line(text: str) -> str:
    return " ".join(text.split())


def readme_text(contents: Contents) -> str:
    """README.md."""
    own = [member for member in contents.members if member.own.exists()]
    return template("README.md", {
        "todo": _todo(contents), "overview": _overview(contents), "data": _data(contents),
        "data_row": "| `data/` | data files that the authors added |\n" if contents.data else "",
        "parameters": _parameters(contents), "software": _software(contents), "randomness": _randomness(contents),
        "sizes": _sizes(contents), "programs": _programs(contents), "commands": _commands(contents),
        "tables": _tables(contents), "references": _references(contents), "version": contents.version,
        "python": contents.python, "quick_seconds": f"{contents.quick['seconds']:.0f}",
        "quick_count": contents.quick["count"], "full_count": contents.quick["full_count"],
        "first": shlex.quote(f"runs/{contents.members[0].name}"),
        "trust": " (a run with its own Python file first needs `hank_mfg trust ../copy`)" if own else "",
    })  # fmt: skip


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = NOT_KNOWN if value is None else number(value)
    return _one_line(text).replace("|", "\\|")


def unsourced(contents: Contents) -> list[str]:
    """Parameters whose source no file states, as "RUN: name"."""
    rows = [(run, row) for run, each in contents.parameters.items() for row in each]
    return [f"{run}: {row['name']}" for run, row in rows if not row["source"] or row["source"] == "set by hand"]


def _todo(contents: Contents) -> str:
    found = [
        "title, authors and citation of the paper, and whom to ask about this package",
        "a statement that the authors have the right to use and to distribute everything that is in it",
        "the number in the paper of each table and figure (last column of the list below)",
        "the license of the model files and of this text",
    ]
    if contents.data:
        found.append(f"source, terms of use and citation of each data file: {', '.join(contents.data)}")
    else:
        found.append("data from which parameters or targets were computed, if any: source, terms of use, citation")
    for name, calls in contents.readers.items():
        found.append(
            f"what `{name}` reads: it calls {', '.join(calls)}, and only files given with --data are in `data/`"
        )
    if missing := unsourced(contents):
        shown = ", ".join(missing[:12]) + (f" and {len(missing) - 12} more" if len(missing) > 12 else "")
        found.append(f"the source of parameters for which no calibration file states one ({shown})")
    lines = "\n".join(f"- [ ] {each}" for each in found)
    return f"## To be filled in by the authors\n\n{lines}"


def _overview(contents: Contents) -> str:
    count = len(contents.members)
    files = {f"{member.name}/{BOTH.sub('', name)}" for member in contents.members for name in member.results}
    figures = sum("/figures/" in name for name in files)
    seconds = sum(each.seconds_total for each in contents.facts.values())
    rows = [
        (f"`{member.name}`", WHAT[member.kind], f"`{contents.models[member.name]}`", contents.facts[member.name].status)
        for member in contents.members
    ]
    how = "one run" if count == 1 else f"{count} runs"
    return (
        f"This package holds {how} of hank_mfg {contents.version}, with {len(files) - figures} tables and files of "
        f"numbers and {figures} figures. `sh run_all.sh` makes everything again; solving took {seconds:.0f} seconds "
        "when "
        f"the runs were made. `check` compares the package with a second computation in about "
        f"{contents.quick['seconds']:.0f} seconds.\n\n"
        + table(("Run", "What it solves", "Model", "How it ended"), rows)
    )


def _data(contents: Contents) -> str:
    if contents.data:
        lines = "\n".join(f"- `{name}`" for name in contents.data)
        return f"Data files that the authors added to this package:\n\n{lines}\n\nTheir provenance: to be filled in."
    if contents.readers:
        return "The model files may read data (see the list at the top). No data files were added to this package."
    return (
        "- [x] The programs of this package read no external data: no call in a model file opens a file, and all "
        "series "
        "are simulated.\n\nNumbers of other sources enter as the parameters below only."
    )


def _parameters(contents: Contents) -> str:
    parts = []
    for member in contents.members:
        rows = [
            (f"`{row['name']}`", row["about"], _value(row["value"]), row["unit"], row["source"] or NOT_KNOWN)
            for row in contents.parameters[member.name]
        ]
        if rows:
            parts.append(f"`{member.name}`\n\n" + table(("Parameter", "Meaning", "Value", "Unit", "Source"), rows))
        else:
            parts.append(f"`{member.name}`: the switches of the game are in its command; its numbers are in its file.")
    return "\n\n".join(parts)


def _value(value: Any) -> str:
    """A value in full, or where it is found."""
    text = json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text.count(',') + 1} numbers, in the calibration file"


def _software(contents: Contents) -> str:
    rows = [(name, ", ".join(sorted(found))) for name, found in contents.versions.items()]
    return (
        table(("Package", "Version that the runs recorded"), rows)
        + "\n\n`requirements.lock` has these and everything else that is imported, each line saying whether its "
        "version was "
        "recorded by the runs or is the one that was installed when the package was made. The `Dockerfile` was not "
        "built "
        "when the package was made."
    )


def _randomness(contents: Contents) -> str:
    rows = []
    for member in contents.members:
        seeds = [word.partition("=")[2] for each in contents.commands[member.name] for word in each.words
                 if word.startswith("--seed=")]  # fmt: skip
        solved = "none is drawn" if member.kind == STATIONARY else contents.facts[member.name].seed
        rows.append((f"`{member.name}`", solved, ", ".join(dict.fromkeys(seeds)) or "as the commands set it"))
    return (
        "- [x] Every random number is drawn from a seed (counter-based generators of JAX, the same on every "
        "machine).\n\n" + table(("Run", "Seed of solving", "Seed of evaluation and report"), rows)
    )


def _sizes(contents: Contents) -> str:
    machine, rows = contents.machine, []
    hosts = []
    for member in contents.members:
        facts, place = contents.facts[member.name], member.manifest["place"]
        hosts.append(place["host"] == machine["host"])
        rows.append((
            f"`{member.name}`", facts.device, facts.precision, facts.updates if facts.updates is not None else "none",
            facts.seconds_compile, facts.seconds_run, facts.seconds_total,
        ))  # fmt: skip
    same = "the machine on which all runs were solved" if all(hosts) else "which is not where every run was solved"
    memory = NOT_KNOWN if machine["memory_gib"] is None else f"{machine['memory_gib']} GiB"
    peak = NOT_KNOWN if machine["peak_memory_gib"] is None else f"{machine['peak_memory_gib']} GiB"
    heading = ("Run", "Device", "Precision", "Updates", "Seconds compiling", "Seconds solving", "Seconds in all")
    return (
        table(heading, rows)
        + "\n\nSeconds of tables and figures are not recorded by the runs. The runs record neither processor nor "
        "memory; the "
        f"package was made on this machine, by its host name {same}:\n\n"
        + table(("Fact", "Value"), [
            ("Processor", machine["cpu"]), ("Cores", f"{machine['cores_available']} of {machine['cores']} used"),
            ("Memory", memory), ("Devices", ", ".join(machine["devices"])), ("Platform", machine["platform"]),
            ("Most memory used while the package was made, quick mode included", peak),
            ("Most memory used while the runs were solved", NOT_KNOWN),
            ("Storage", f"{contents.size:.1f} MiB for this package, {contents.results:.1f} MiB more for results/"),
        ])
    )  # fmt: skip


def _programs(contents: Contents) -> str:
    lines = [
        "- `software/hank_mfg/` is the library; `python -m hank_mfg` is its command line. The commands below are all "
        "programs of this package; the column Program of the list at the end names the file that does the work.",
    ]
    for member in contents.members:
        model = contents.models[member.name]
        if member.kind == GAME:
            where = f"`{model}`" if "/" in model else f"`{model}`, in `software/hank_mfg/environment/games/`"
            lines.append(f"- {where} declares the game of `{member.name}`.")
        else:
            folder = f"{MODELS}/{member.name}"
            lines.append(
                f"- `{folder}/` declares the economy of `{member.name}`: equations (.py) and parameters (.toml)."
            )
    lines.append(
        "- `runs/` holds the run folders whole, solutions included, so that tables and figures can be drawn without "
        "solving. Their manifests name the user, host and folder where they were solved. Files that are not part of a "
        "run "
        "were not copied."
    )
    return "\n".join(lines)


def _numbered(contents: Contents) -> dict[int, Command]:
    """All commands by the number that the README gives them."""
    return dict(enumerate((each for commands in contents.commands.values() for each in commands), 1))


def _commands(contents: Contents) -> str:
    numbered = _numbered(contents)
    lines = [f"{shell(each)}  # command {place}" for place, each in numbered.items()]
    notes = "".join(f"\n\nCommand {place}: {each.note}." for place, each in numbered.items() if each.note)
    return "```\nexport PYTHONPATH=software\n" + "\n".join(lines) + "\n```" + notes


def _tables(contents: Contents) -> str:
    numbered, parts = _numbered(contents), [
        "Files are in `runs/RUN/`, and in `results/RUN/` after `run_all.sh`. Commands are numbered above; programs "
        "are in "
        "`software/`. Tables are .csv (numbers) and .tex, figures .pdf and .png. Paper: the number there, to be "
        "filled in."
    ]  # fmt: skip
    for member in contents.members:
        commands, groups = contents.commands[member.name], {}
        for name in member.results:
            groups.setdefault(BOTH.sub("", name), []).append(name)
        rows = []
        for names in groups.values():
            maker = maker_of(names[0], commands)
            place = next((each for each, command in numbered.items() if command is maker), NOT_KNOWN)
            files = ", ".join(f"`{name}`" for name in names)
            rows.append((files, place, NOT_KNOWN if maker is None else f"`{maker.program}`", ""))
        if rows:
            parts.append(f"`{member.name}`\n\n" + table(("Files", "Command", "Program", "Paper"), rows))
        else:
            parts.append(f"`{member.name}` has no recorded tables or figures; command `report` makes them.")
    return "\n\n".join(parts)


def _references(contents: Contents) -> str:
    sources = {str(row["header"]) for rows in contents.parameters.values() for row in rows if row.get("header")}
    lines = [f"- hank_mfg {contents.version}, heterogeneous-agent economies as mean-field games (see `CITATION.cff`).",
             f"- {METHOD}", *(f"- Calibration: {each}" for each in sorted(sources))]  # fmt: skip
    return "\n".join(lines)
