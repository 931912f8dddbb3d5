"""Share of small changes to a room's code that its tests notice.

python -m tests.benchmarks.mutants ROOM [NUMBER] [SEED] [PYTEST ARGUMENTS]

Prints each change that survives, then the score: python -m tests.benchmarks.mutants memory 40
"""

import ast
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

MOST_CPU_S = 300
"""Processor time after which a changed program counts as noticed: it no longer ends [s]."""

OPPOSITE = {
    ast.Lt: ast.LtE,
    ast.Gt: ast.GtE,
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.Add: ast.Sub,
    ast.Mult: ast.Div,
    ast.BitAnd: ast.BitOr,
    ast.And: ast.Or,
}
OPPOSITE |= {after: before for before, after in OPPOSITE.items()}
NAMES = {"minimum": "maximum", "min": "max", "floor": "ceil", "any": "all"}
NAMES |= {after: before for before, after in NAMES.items()}

NOT_CODE = (ast.Raise, ast.Import, ast.ImportFrom)
"""Where a change is none, or only changes the words of an error."""


def places(tree):
    """Nodes that can be changed, in the order of the source."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, NOT_CODE) or node in getattr(tree, "decorator_list", ()):
            continue
        if node is getattr(tree, "annotation", None) or node is getattr(tree, "returns", None):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":
            continue
        if changed(node) is not None:
            yield node
        yield from places(node)


def changed(node):
    """How a node is changed: attributes and their new values; None where it is not."""
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in OPPOSITE:
            return {"ops": [OPPOSITE[type(operator)](), *node.ops[1:]]}
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) | ast.AugAssign(op=operator):
            return {"op": OPPOSITE[type(operator)]()} if type(operator) in OPPOSITE else None
        case ast.UnaryOp(op=ast.USub()):
            return {"op": ast.UAdd()}
        case ast.If() | ast.IfExp():
            return {"test": ast.UnaryOp(ast.Not(), node.test)}
        case ast.Constant(value=bool(value)):
            return {"value": not value}
        case ast.Constant(value=int(value)):
            return {"value": value + 1}
        case ast.Constant(value=float(value)):
            return {"value": 1.5 * value or 1.0}
        case ast.Attribute(attr=name) if name in NAMES:
            return {"attr": NAMES[name]}
        case ast.Name(id=name) if name in NAMES:
            return {"id": NAMES[name]}
    return None


def mutant(source, which):
    """Source with one place changed, and what was changed."""
    tree = ast.parse(source)
    node = list(places(tree))[which]
    shown = node.test if isinstance(node, ast.If | ast.IfExp) else node
    before = ast.unparse(shown)
    for name, value in changed(node).items():
        setattr(node, name, value)
    shown = node.test if isinstance(node, ast.If | ast.IfExp) else node
    after = ast.unparse(ast.fix_missing_locations(shown))
    return ast.unparse(tree), f"{node.lineno}: {before[:70]}  ->  {after[:70]}"


def survives(copy, arguments):
    """Whether all tests pass in a copy of the repository."""
    tests = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(tests, cwd=copy, capture_output=True, check=False).returncode == 0


def main(room, number="20", seed="0", *arguments):
    """Print what survives of a number of changes drawn from a room, and the score."""
    arguments = arguments or (f"tests/{room}", f"estimator/{room}", "--hypothesis-seed=0")
    drawn = [
        (path.relative_to(ROOT), which)
        for path in sorted((ROOT / "estimator" / room).rglob("*.py"))
        if path.name != "messages.py"
        for which in range(sum(1 for _ in places(ast.parse(path.read_text()))))
    ]
    random.Random(int(seed)).shuffle(drawn)
    drawn = drawn[: int(number)]
    noticed = 0
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__"))
        if not survives(copy, arguments):
            raise SystemExit("error: the tests fail without a change")
        for path, which in drawn:
            source = (ROOT / path).read_text()
            text, change = mutant(source, which)
            (copy / path).write_text(text)
            if survives(copy, arguments):
                print(f"survives: {path}:{change}", flush=True)
            else:
                noticed += 1
            (copy / path).write_text(source)
    print(f"{room}: {noticed} of {len(drawn)} changes noticed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
