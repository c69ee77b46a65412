"""The documents say what the code does: what the code knows is in them, what they name exists."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from utsuwa.cli.root import root
from utsuwa.controllers.revision.health import HOPELESS
from utsuwa.gateway.slots import words
from utsuwa.model import autoscaling_annotations, labels
from utsuwa.model.autoscaling_annotations import Annotation
from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.labels import Spellings
from utsuwa.model.settings import Settings, check_map
from utsuwa.routing import messages
from utsuwa.testing import conditions

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src" / "utsuwa"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").rglob("*.md")]
)
REFERENCE = ROOT / "docs" / "reference"
MAPS = (
    "config-autoscaler", "config-defaults", "config-deployment", "config-domain", "config-features",
    "config-gc", "config-network", "config-observability", "config-logging",
    "config-leader-election", "config-certmanager",
)  # fmt: skip

CONTEXT = click.Context(root)
COMMANDS = {name: root.get_command(CONTEXT, name) for name in root.list_commands(CONTEXT)}

_NOT_KEYS = {"serving.knative.dev", "networking.knative.dev", "autoscaling.knative.dev"}


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def quoted(document: Path) -> set[str]:
    """Everything between single backticks."""
    return set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", document.read_text()))


# --- the reference is complete --------------------------------------------------------------------


def keys_of_annotations() -> Iterator[str]:
    """Every annotation and label key that a module of the model declares."""
    for module in (labels, autoscaling_annotations):
        for value in vars(module).values():
            if isinstance(value, Spellings | Annotation):
                yield from value.keys
            elif isinstance(value, str) and re.fullmatch(r"[a-z.]+\.(dev|io)/[A-Za-z.-]+", value):
                yield value
    for spellings in labels.QUEUE_RESOURCES:
        yield from spellings.keys


@pytest.mark.parametrize("key", sorted(set(keys_of_annotations()) - _NOT_KEYS))
def test_the_reference_has_every_annotation_and_label(key: str) -> None:
    """Nobody should have to read the code to learn what steers it."""
    assert key in quoted(REFERENCE / "annotations.md")


class Asked(dict[str, str]):
    """Data of a ConfigMap that notes which keys are looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.keys_asked.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # one form of it
        self.keys_asked.add(key)
        return default


def settings_asked() -> Iterator[tuple[str, str]]:
    for name in MAPS:
        data = Asked()
        check_map(name, data)
        for key in sorted(data.keys_asked - {"", "_example"}):
            yield name, key


@pytest.mark.parametrize(("name", "key"), list(settings_asked()))
def test_the_reference_has_every_key_of_every_settings_map(name: str, key: str) -> None:
    """Asked of the parsers themselves: whatever one looks for is below its map's heading."""
    text = (REFERENCE / "settings.md").read_text()
    sections = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if name in part[:80]]
    assert sections, f"settings.md has no section {name}"
    assert any(f"`{key}`" in section for section in sections)


def test_the_parsers_are_asked_for_more_than_a_hundred_keys() -> None:
    """Guards the test above: a parser that reads otherwise would let it pass with nothing."""
    assert len(list(settings_asked())) > 100


def defaults_told(name: str) -> Mapping[str, str]:
    text = (REFERENCE / "settings.md").read_text()
    section = next(p for p in re.split(r"^## ", text, flags=re.MULTILINE) if p.startswith(name))
    return dict(re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \|", section, flags=re.MULTILINE))


def test_the_defaults_of_the_autoscaler_are_those_of_the_code() -> None:
    """The defaults in the table, written into the map, change nothing."""
    told = defaults_told("config-autoscaler")
    assert len(told) == 20
    assert AutoscalerConfig.parse(told) == AutoscalerConfig.parse({})


def test_the_other_defaults_are_those_of_the_code() -> None:
    maps = {name: defaults_told(name) for name in ("config-defaults", "config-gc")}
    assert all(maps.values())
    assert Settings.parse(maps) == Settings.parse({})


def words_of_conditions() -> set[str]:
    """Types and reasons: capitalised words in quotes in the modules that set conditions."""
    words: set[str] = set(HOPELESS)
    for module in (SOURCES / "model" / "lifecycle").glob("*.py"):
        words.update(re.findall(r'"([A-Z][A-Za-z]+)"', module.read_text()))
    return words - {"Configuration", "Route", "Service", "Endpoints"}  # kinds, in messages


@pytest.mark.parametrize("word", sorted(words_of_conditions()))
def test_the_reference_has_every_condition_type_and_reason(word: str) -> None:
    assert word in quoted(REFERENCE / "conditions.md")


def test_the_reference_has_every_condition_as_the_code_sets_it() -> None:
    """Type, status, reason, message and when, asked of every verb. To mend it:
    `python -m utsuwa.testing.conditions docs/reference/conditions.md`."""
    text = (REFERENCE / "conditions.md").read_text()
    assert conditions.written_into(text) == text


def test_every_condition_of_the_reference_is_set_by_somebody() -> None:
    """A verb that nobody calls would have the reference tell of what never happens."""
    lifecycle = SOURCES / "model" / "lifecycle"
    texts = {path: path.read_text() for path in SOURCES.rglob("*.py")}
    unused = [
        f"{kind}: {verb}"
        for kind, module in conditions.KINDS.items()
        for verb in vars(module)
        if verb.startswith("mark_")
        and not any(
            re.search(rf"\b{verb}\b", text)
            for path, text in texts.items()
            if path.parent != lifecycle and "testing" not in path.parts
        )
        and len(re.findall(rf"\b{verb}\b", texts[Path(str(module.__file__))])) < 2
    ]
    assert unused == []


def words_of_the_link() -> list[str]:
    structs = [
        value
        for module in (messages, words)
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    fields = {field for struct in structs for field in struct.__annotations__}
    return sorted({struct.__name__ for struct in structs} | fields)


@pytest.mark.parametrize("word", words_of_the_link())
def test_the_reference_has_every_word_of_the_link(word: str) -> None:
    assert word in quoted(REFERENCE / "link-protocol.md")


def options_of(name: str, sub: str = "") -> set[str]:
    """The flags of the command `name`, those of click itself included."""
    command = COMMANDS[name]
    if isinstance(command, click.Group) and sub in command.commands:
        command = command.commands[sub]
    assert command is not None
    return {"-h", "--help"} | {
        name for option in command.params for name in (*option.opts, *option.secondary_opts)
    }


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_command_line_has_every_command_and_flag(command: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    section = text.partition(f"\n## utsuwa {command}\n")[2].partition("\n## ")[0]
    options = {name for name in options_of(command) if name.startswith("-")}
    assert section
    assert not [name for name in options if name not in section]


@pytest.mark.parametrize(
    "sample", sorted(p.name for p in (ROOT / "samples").iterdir() if p.is_dir())
)
def test_every_sample_is_in_the_index_and_has_its_own_page(sample: str) -> None:
    assert f"../samples/{sample}/README.md" in (ROOT / "docs" / "README.md").read_text()
    assert (ROOT / "samples" / sample / "README.md").is_file()


# --- what the documents name exists ---------------------------------------------------------------


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_internal_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path) if path else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_document_names_a_place_of_the_machine_it_was_written_on(document: Path) -> None:
    text = document.read_text()
    found = re.findall(r"(?:/root|/opt|/srv|/home/(?!you))[\w/.-]*", text)
    assert not found


def commands_of(document: Path) -> Iterator[str]:
    """Each line of a shell block that runs `utsuwa`, substitutions included."""
    text = document.read_text().replace("\\\n", " ")
    for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if match := re.search(r"(?:^|\$\()(utsuwa .+?)\)?\"?$", line):
                yield match[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_utsuwa_command_in_a_document_exists_with_its_flags(document: Path) -> None:
    unknown = []
    for line in commands_of(document):
        words = shlex.split(line, comments=True)
        if words[1] not in COMMANDS:
            unknown.append(line)
            continue
        flags = [word.partition("=")[0] for word in words[2:] if re.match(r"-{1,2}[a-z]", word)]
        unknown += [line for flag in flags if flag not in options_of(*words[1:3])]
    assert not unknown


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named_targets = re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(), flags=re.MULTILINE)
    assert set(named_targets) <= targets


def test_every_file_and_function_that_the_architecture_names_exists() -> None:
    """A flow that names what is gone would mislead whoever follows it."""
    sources = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    known = set(re.findall(r"\b(?:def|class) (\w+)", sources))
    known |= set(re.findall(r"\bself\.(\w+)", sources))  # attributes
    quotes = quoted(ROOT / "ARCHITECTURE.md")
    paths = {path for quote in quotes for path in re.findall(r"[\w/]+\.py", quote)}
    names = {
        name
        for quote in quotes
        if re.fullmatch(r"(?:[\w/]+\.py: )?(?:[A-Z]\w+\.)?\w+", quote)
        for name in re.findall(r"\w+", quote.rpartition(": ")[2])
        if "_" in name.strip("_") or name.startswith("_") or "." in quote
    }
    missing = [path for path in paths if not list(SOURCES.rglob(path))]
    missing += [name for name in names if name not in known]
    assert not missing


def names_of(tree: ast.AST) -> dict[str, set[str]]:
    """What a module defines: by class its methods and attributes, by "" everything."""
    found: dict[str, set[str]] = {"": set()}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[""].add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[""].add(node.id)
        if isinstance(node, ast.ClassDef):
            inner = names_of(ast.Module(body=node.body, type_ignores=[]))[""]
            own = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            found.setdefault(node.name, set()).update(inner | own)
    return found


def bases_of(tree: ast.AST) -> dict[str, set[str]]:
    return {
        node.name: {getattr(base, "attr", getattr(base, "id", "")) for base in node.bases}
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def test_every_function_is_where_the_architecture_says() -> None:
    """`path.py: name` is in that file, `Class.method` in that class or one that it is made of."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCES.rglob("*.py")}
    members: dict[str, set[str]] = {}
    bases: dict[str, set[str]] = {}
    for tree in trees.values():
        for name, own in names_of(tree).items():
            members.setdefault(name, set()).update(own)
        for name, above in bases_of(tree).items():
            bases.setdefault(name, set()).update(above)
    missing = []
    for quote in quoted(ROOT / "ARCHITECTURE.md"):
        match = re.fullmatch(r"(?:([\w/]+\.py): )?(?:([A-Z]\w+)\.)?(\w+)", quote)
        if match is None or not (match[1] or match[2]):
            continue
        path, klass, name = match[1], match[2], match[3]
        if path:
            files = [tree for file, tree in trees.items() if str(file).endswith(f"/{path}")]
            there = any((klass or name) in names_of(tree)[""] for tree in files)
            missing += [] if there else [quote]
        if klass:
            known = set(members.get(klass, ()))
            for base in bases.get(klass, ()):
                known |= members.get(base, set())
            missing += [] if name in known else [quote]
    assert not missing


def test_flows_are_numbered_in_order() -> None:
    numbers = re.findall(r"^### (\d+)\.", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))


def test_every_flow_that_a_document_refers_to_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    there = {int(number) for number in re.findall(r"^### (\d+)\.", text, re.MULTILINE)}
    references = re.findall(r"\bflow (\d+)(?:, steps? (\d+)(?: to (\d+))?)?", text)
    assert references
    for flow, *steps in references:
        assert int(flow) in there
        section = re.split(rf"^### {flow}\.", text, flags=re.MULTILINE)[1].partition("\n### ")[0]
        last = max(map(int, re.findall(r"^(\d+)\. ", section, re.MULTILINE)))
        assert all(int(step) <= last for step in steps if step), (flow, steps)


def test_the_floors_are_those_that_are_checked() -> None:
    """The table of rooms has every package, on the floor that import-linter keeps it on."""
    rows = re.findall(
        r"^\| (\d) \| `(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE
    )
    told: dict[int, set[str]] = {}
    for floor, room in rows:
        told.setdefault(int(floor), set()).add(room)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in contracts["contracts"] if one["type"] == "layers")
    checked = [set(re.findall(r"utsuwa\.(\w+)", layer)) for layer in reversed(layers)]
    assert [told[floor] for floor in sorted(told)] == checked
    packages = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    assert packages - {"testing"} == set().union(*checked)


def test_the_first_screen_of_readme_has_what_why_and_the_two_commands() -> None:
    """Whoever has a minute reads this much."""
    first = (ROOT / "README.md").read_text().partition("## Install")[0]
    for expected in ("Knative", "## Why", "make demo", "utsuwa up", "utsuwa deploy"):
        assert expected in first
    demo = first.partition("<!-- demo:begin -->")[2].partition("<!-- demo:end -->")[0]
    assert "As it should be" in demo


def test_every_test_that_the_reference_names_exists() -> None:
    """A row of `kubernetes-api.md` without its test is a promise."""
    modules = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    known = {
        *modules,
        *(name for text in modules.values() for name in re.findall(r"def (test_\w+)\(", text)),
    }
    asked = {
        name for name in quoted(REFERENCE / "kubernetes-api.md") if name.startswith("test_")
    } - {"test_…"}
    assert asked - known == set()
