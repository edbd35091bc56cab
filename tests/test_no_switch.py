"""There is no switch that turns guard, watermark, credentials or consent off: a search for one."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

import doublecast
from doublecast.cli import app

ROOT = Path(doublecast.__file__).parent
SUBJECT = re.compile(
    r"guard|nud[ei]|nsfw|sexual|expos|watermark|credential|c2pa|manifest|provenance|consent|sign(ed|ature|er|ing)?$",
    re.I,
)  #: what must not be switched: a name like this may neither be left out nor be a truth value
SWITCH = re.compile(r"skip|disable|bypass|unsafe|without|suppress|enable|^no_|^no-|allow_|force", re.I)  #: no such name

#: where such a word may stand, and why it switches nothing off
ALLOWED = {
    "--actor-consent", "--target-consent", "--consent",  # the basis: needed where none is recorded, no way around one
    "actor_consent", "target_consent", "consent",  # the same in the library
    "signature",  # of a consent record: empty until it is signed, and refused then
    "signer",  # of the credentials: this machine's own certificate where none is given; unsigned is not among them
    "without_face",  # pictures of an import in which nobody was found
}  # fmt: skip
#: environment variables that are read, and what for
ENVIRONMENT = {
    "DOUBLECAST_KEYS": "folder of the user's keys",
    "DOUBLECAST_WEIGHTS": "folder of the weights",
    "NICEGUI_STORAGE_PATH": "set, not read: a folder that is removed with the studio",
}
PASSED_ON = {"trust/sandbox.py"}  #: files that hand the whole environment to a process of their own, unread


def modules() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def members(module: Any) -> Iterator[tuple[str, Any]]:
    """Functions and classes that a module defines, methods included."""
    for name, member in vars(module).items():
        if getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(member):
            yield name, member
        elif inspect.isclass(member):
            yield name, member
            yield from ((f"{name}.{n}", m) for n, m in vars(member).items() if inspect.isfunction(m))


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}".strip())


def suspicious(name: str, *, required: bool = False, kind: object = "") -> bool:
    """Whether a name is that of a switch. required: it cannot be left out; kind: its annotation."""
    if name in ALLOWED:
        return False
    truth = re.search(r"\bbool\b|\bNone\b", str(kind)) is not None
    return SWITCH.search(name) is not None or (SUBJECT.search(name) is not None and (truth or not required))


def test_no_option_of_the_command_line() -> None:
    found, seen = [], 0
    for path, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            seen += 1
            found += [f"{path} {name}" for name in (*parameter.opts, *parameter.secondary_opts) if suspicious(name)]
    assert seen > 60
    assert not found


@pytest.mark.parametrize("name", list(modules()))
def test_no_parameter_and_no_field(name: str) -> None:
    module = import_module(name)
    found = []
    for where, member in members(module):
        if is_dataclass(member):
            for field in fields(member):
                required = field.default is MISSING and field.default_factory is MISSING
                if suspicious(field.name, required=required, kind="" if required else field.type):
                    found.append(f"{where}.{field.name}")
        elif inspect.isfunction(member) and not any(part.startswith("_") for part in where.split(".")):
            for parameter in inspect.signature(member).parameters.values():
                required = parameter.default is parameter.empty
                if suspicious(parameter.name, required=required, kind=parameter.annotation):
                    found.append(f"{where}({parameter.name})")
    assert not found


@pytest.mark.parametrize("name", list(modules()))
def test_no_constant_that_is_a_switch(name: str) -> None:
    """A module's True or False is a switch for whoever imports it."""
    found = [
        key
        for key, value in vars(import_module(name)).items()
        if isinstance(value, bool) and key.isupper() and key != "TYPE_CHECKING"
    ]
    assert not found


def test_no_environment_variable() -> None:
    """Every read of the environment names one of the known variables, by text or by the constant that holds it."""
    reads = 0
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")):
                continue
            parent = next(p for p in ast.walk(tree) if node in ast.iter_child_nodes(p))
            grand = next(p for p in ast.walk(tree) if parent in ast.iter_child_nodes(p))
            key = parent.slice if isinstance(parent, ast.Subscript) else getattr(grand, "args", [None])[0]
            if isinstance(parent, ast.Dict) and path.relative_to(ROOT).as_posix() in PASSED_ON:
                continue
            value = constants.get(key.id) if isinstance(key, ast.Name) else getattr(key, "value", None)
            assert value in ENVIRONMENT, f"{path.relative_to(ROOT)}:{node.lineno} reads {value!r} of the environment"
            reads += 1
    assert reads >= len(ENVIRONMENT)


@pytest.mark.parametrize(
    "name",
    ["no_guard", "skip_watermark", "--no-credentials", "nsfw_ok", "unsafe", "disable_checks", "consent_required"],
)
def test_the_search_would_find_one(name: str) -> None:
    assert suspicious(name)
    assert suspicious(name, required=True, kind="bool")
