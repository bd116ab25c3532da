"""What must not stand in the source: calls that turn data into code."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "invdesflow"
MODULES = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib.numpy_pickle"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
CALLS |= {"joblib.load", "pd.read_pickle", "pandas.read_pickle", "loadfn", "Structure.from_dict", "tempfile.mktemp"}
DECODER = SOURCE / "database" / "decoding.py"


def name_of(node: ast.expr) -> str:
    """Return the dotted name of what is called, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"imports {alias.name}" for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if node.module in MODULES:
                yield f"imports from {node.module}"
            if any(alias.name == "MontyDecoder" for alias in node.names) and path != DECODER:
                yield "decodes without the allow-list"
        elif isinstance(node, ast.Call):
            yield from faults_of_a_call(node)


def faults_of_a_call(call: ast.Call) -> Iterator[str]:
    name = name_of(call.func)
    options = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    if name in CALLS:
        yield f"calls {name}"
    if options.get("shell"):
        yield f"gives {name} to a shell"
    if options.get("allow_pickle") or name == "np.save":
        yield "lets numpy pickle"
    if name == "torch.load" and options.get("weights_only") is not True:
        yield "lets torch unpickle code"


def test_nothing_is_made_code() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {fault}"
        for path in SOURCE.rglob("*.py")
        for fault in faults(ast.parse(path.read_text()), path)
    ]
    assert found == []


def test_the_search_finds_what_it_looks_for() -> None:
    text = "import pickle\nfrom monty.json import MontyDecoder\nyaml.load(x)\nrun(y, shell=True)\ntorch.load(z)\n"
    assert len(list(faults(ast.parse(text), SOURCE / "any.py"))) == 5
