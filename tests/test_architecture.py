"""The rules of the house, read off the source: who imports whom, who writes to disk, how long things are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hank_mfg"
STAGES = (
    "model",
    "environment",
    "policy",
    "solve",
    "evaluate",
    "welfare",
    "estimate",
    "runs",
    "report",
    "packages",
    "replication",
    "cli",
)
ROOT_FILES = (
    "arguments",
    "compiling",
    "errors",
    "files",
    "latex",
    "machine",
    "parallel",
    "precision",
    "progress",
    "sizes",
    "wording",
)
PUBLIC = ("plot", "results", "stats")  # public names in groups; nothing inside the library imports them
WRITERS = ("cli/", "files.py", "packages/", "replication/", "report/", "runs/")
WRITE_THEMSELVES = (  # where asked to
    "estimate/posterior/kept.py", "evaluate/moments.py", "evaluate/distribution/path_distribution.py"
)  # fmt: skip
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MODELS = sorted([*(ROOT / "models").glob("*.py"), PACKAGE / "templates" / "model.py"])


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> list[str]:
    """Every module that a file imports, wherever in the file, with relative imports spelled out."""
    names = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno}: import by full name"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Every function with its dotted name, and whether it is a method."""

    def visit(node: ast.AST, prefix: str, in_class: bool):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child, in_class
                yield from visit(child, f"{prefix}{child.name}.", False)
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}{child.name}.", True)
            else:
                yield from visit(child, prefix, in_class)

    yield from visit(tree, "", False)


def test_the_source_is_where_these_tests_look():
    assert len(MODULES) > 20 and len(MODELS) >= 3
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", *ROOT_FILES, *PUBLIC}
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == {*STAGES, "templates"}
    for room in [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__")]:
        assert (room / "__init__.py").exists() or room.relative_to(PACKAGE).parts[:1] == ("templates",), room


STAGED = [path for path in MODULES if relative(path).split("/")[0] in STAGES]


def test_a_stage_imports_earlier_stages_and_root_files_only():
    for path in STAGED:
        _a_stage_imports_earlier_stages_and_root_files_only(path)


def _a_stage_imports_earlier_stages_and_root_files_only(path):
    stage = relative(path).split("/")[0]
    allowed = (*STAGES[: STAGES.index(stage) + 1], *ROOT_FILES)
    for name in imported(path):
        package, _, rest = name.partition(".")
        assert package != "hank_mfg" or rest.split(".")[0] in allowed, f"{relative(path)} imports {name}"


def test_models_use_the_public_names_only():
    for path in MODELS:
        _models_use_the_public_names_only(path)


def _models_use_the_public_names_only(path):
    third_party = {name.partition(".")[0] for name in imported(path)} - {"typing"}
    assert {"hank_mfg"} <= third_party <= {"hank_mfg", "jax"}
    assert not [name for name in imported(path) if name.startswith(("hank_mfg.", "jax")) and name != "jax.numpy"]
    assert sum(bool(line.strip()) for line in path.read_text().splitlines()) <= 150
    assert ast.get_docstring(parse(path))


WRITING_METHODS = {
    "write_text", "write_bytes", "mkdir", "makedirs", "unlink", "rmdir", "rmtree", "touch", "symlink_to", "hardlink_to",
    "savefig", "save", "savez", "savez_compressed", "savetxt", "tofile", "to_csv", "to_parquet", "to_pickle", "dump",
    "tree_serialise_leaves", "NamedTemporaryFile", "mkstemp", "mkdtemp", "TemporaryDirectory", "copyfile", "copytree",
}  # fmt: skip
WRITING_FUNCTIONS = {"os": {"replace", "rename", "remove", "link", "symlink"}, "shutil": {"copy", "copy2", "move"}}


def is_writing_mode(call: ast.Call) -> bool:
    """Whether a call of open() asks to write: its mode comes second, first in path.open()."""
    function = call.func
    of_a_path = isinstance(function, ast.Attribute) and function.attr == "open"
    modes = [*(call.args[:1] if of_a_path else call.args[1:2]), *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def writes(tree: ast.Module) -> list[str]:
    """Calls that change the disk, as "line: name"."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        owner = (
            function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
        )
        opens = name in ("open", "fdopen") and is_writing_mode(node)
        if opens or name in WRITING_METHODS or name in WRITING_FUNCTIONS.get(owner, ()):
            found.append(f"{node.lineno}: {name}")
    return found


def test_the_search_for_writes_finds_them():
    for text in (
        "open('a', 'w')",
        "open('a', mode='ab')",
        "p.open('x')",
        "os.replace(a, b)",
        "p.write_text('')",
        "np.save(f, x)",
    ):
        assert writes(ast.parse(text)), text
    for text in ("open('a')", "open('a', 'rb')", "text.replace('a', 'b')", "p.read_text()", "dataclasses.replace(a)"):
        assert not writes(ast.parse(text)), text


def test_only_a_few_modules_write_to_disk():
    for path in MODULES:
        _only_a_few_modules_write_to_disk(path)


def _only_a_few_modules_write_to_disk(path):
    if not relative(path).startswith((*WRITERS, *WRITE_THEMSELVES)):
        assert not writes(parse(path))


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: everything but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from outside_functions(child)


def test_importing_changes_no_global_configuration():
    for path in MODULES:
        _importing_changes_no_global_configuration(path)


def _importing_changes_no_global_configuration(path):
    for node in outside_functions(parse(path)):
        text = ast.unparse(node) if isinstance(node, ast.Call | ast.Assign | ast.AugAssign) else ""
        assert not text.startswith(
            ("jax.config.", "config.update", "os.environ[", "os.putenv", "np.seterr", "warnings.")
        ), text


def test_a_public_function_has_its_name_whatever_is_imported_first():
    """`solve`, `evaluate` and `estimate` are folders too, whose import must not take the functions' names."""
    program = (
        "import hank_mfg.solve.train, hank_mfg.evaluate.welfare, hank_mfg.estimate.errors, hank_mfg as hm, types;"
        "print(*(type(each) is types.FunctionType for each in (hm.solve, hm.evaluate, hm.estimate)));"
        "import hank_mfg.estimate.posterior.priors; from hank_mfg import estimate, solve;"
        "print(estimate is hm.estimate, solve is hm.solve, callable(estimate))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True"] * 6, found.stdout


def test_files_and_functions_are_short():
    for path in MODULES:
        _files_and_functions_are_short(path)


def _files_and_functions_are_short(path):
    assert len(path.read_text().splitlines()) <= 450
    for name, function, method in functions(parse(path)):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert lines <= 50, f"{name} has {lines} lines of code"
        positional = len(function.args.posonlyargs) + len(function.args.args) - method
        decorated = {ast.unparse(decorator).split("(")[0] for decorator in function.decorator_list}
        command = bool(decorated & {"app.command", "app.callback"})  # the options of a command are not arguments
        assert positional <= 6 or command, f"{name} takes {positional} positional arguments"


def test_every_public_name_has_a_docstring():
    for path in MODULES:
        _every_public_name_has_a_docstring(path)


def _every_public_name_has_a_docstring(path):
    tree = parse(path)
    assert ast.get_docstring(tree), "the module"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
    for name, function, method in functions(tree):
        nested = "." in name and not method
        private = any(part.startswith("_") for part in name.split("."))
        if not nested and not private:
            assert ast.get_docstring(function), name


def module_of(path: Path) -> str:
    return "hank_mfg." + relative(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def arrows() -> dict[str, set[str]]:
    """Which modules each module imports; the public names in hank_mfg/__init__.py aside."""
    known = {module_of(path) for path in MODULES}
    found = {}
    for path in MODULES:
        if path != PACKAGE / "__init__.py":
            names = imported(path)
            hits = {name if name in known else name.rpartition(".")[0] for name in names}
            found[module_of(path)] = (hits & known) - {module_of(path)}
    return found


def test_no_file_imports_one_that_imports_it_even_through_others():
    left = arrows()
    while left:
        free = [module for module, imports in left.items() if not imports & left.keys()]
        assert free, f"these import one another: {sorted(left)}"
        for module in free:
            del left[module]


def test_no_two_rooms_import_each_other():
    """A folder and a folder inside it aside: a door imports its rooms, and rooms what lies beside the door."""
    room = {module_of(path): path.parent for path in MODULES}
    pairs = {(room[module], room[each]) for module, imports in arrows().items() for each in imports}
    for one, other in pairs:
        nested = one.is_relative_to(other) or other.is_relative_to(one)
        assert nested or (other, one) not in pairs, f"{relative(one)} and {relative(other)} import each other"


def test_rooms_are_small_enough_to_look_over():
    siblings = [path for path in (PACKAGE / "solve").iterdir() if path.name not in ("__init__.py", "__pycache__")]
    assert len(siblings) <= 10, sorted(path.name for path in siblings)


def slow_tests(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Tests marked slow, or with a case that is: by decorators, module or class, names of marks, or fixtures."""

    def visit(body: list[ast.stmt], known: frozenset[str], inherited: bool):
        def marked(*nodes: ast.AST) -> bool:
            return any(
                (isinstance(part, ast.Attribute) and ast.unparse(part) == "pytest.mark.slow")
                or (isinstance(part, ast.Name) and part.id in known)
                for node in nodes
                for part in ast.walk(node)
            )

        def slow(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
            arguments = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            return marked(*function.decorator_list) or bool(arguments & known)

        for node in body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and marked(node.value):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                known |= {ast.unparse(target) for target in targets}
        functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for function in functions:
            if not function.name.startswith("test") and slow(function):  # a fixture
                known |= {function.name}
        inherited = inherited or "pytestmark" in known
        yield from (each for each in functions if each.name.startswith("test") and (inherited or slow(each)))
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from visit(node.body, known - {"pytestmark"}, inherited or marked(*node.decorator_list))

    yield from visit(tree.body, frozenset(), False)


def test_the_search_for_slow_tests_finds_them():
    mark, test = "pytest.mark.slow", "def test_it(): pass"
    for text in (
        f"@{mark}\n{test}",
        f"pytestmark = {mark}\n{test}",
        f"pytestmark = [pytest.mark.gpu, {mark}]\n{test}",
        f"SLOW = {mark}\n@SLOW\n{test}",
        f"@{mark}\nclass TestIt:\n    def test_it(self): pass",
        f"class TestIt:\n    pytestmark = {mark}\n    def test_it(self): pass",
        f"@pytest.mark.parametrize('x', [1, pytest.param(2, marks={mark})])\ndef test_it(x): pass",
        f"@pytest.fixture(params=[pytest.param(2, marks={mark})])\ndef case(): pass\ndef test_it(case): pass",
    ):
        assert [each.name for each in slow_tests(ast.parse(text))] == ["test_it"], text
    for text in (test, f"@pytest.mark.gpu\n{test}", f"class TestIt:\n    pytestmark = {mark}\n{test}"):
        assert not list(slow_tests(ast.parse(text))), text


def test_every_slow_test_names_the_claim_that_it_guards():
    """In its docstring: a row or sentence of a page, or what a public docstring promises."""
    found = {path: list(slow_tests(parse(path))) for path in TESTS}
    assert sum(map(len, found.values())) > 100
    for path, tests in found.items():
        for test in tests:
            where = f"{path.relative_to(ROOT)}: line {test.lineno}: {test.name}"
            assert ast.get_docstring(test), f"{where} is slow and has no docstring: name the claim that it guards"
