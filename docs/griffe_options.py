"""An extension of griffe: the options of a stage's dataclass with their help lines, as the API reference shows them."""

import ast

import griffe

MAKERS = ("option", "required")
"""Functions of ``synth.common.config`` whose last argument is an option's help line."""


class OptionHelp(griffe.Extension):
    """Adds the section ``Attributes`` to the docstring of a dataclass that is made of options."""

    def on_class(self, *, cls: griffe.Class, **_: object) -> None:
        found = [(name, member) for name, member in cls.all_members.items() if member.is_attribute]
        lines = [f"    {name}: {told}" for name, member in found if (told := help_line(member))]
        if cls.docstring and lines:
            cls.docstring.value += "\n\nAttributes:\n" + "\n".join(lines)


def help_line(attribute: griffe.Attribute | griffe.Alias) -> str:
    """The help line of an option and its default, as in ``--help``; empty for what is no option."""
    try:
        call = ast.parse(str(attribute.value), mode="eval").body
    except SyntaxError:
        return ""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MAKERS):
        return ""
    *default, told = call.args
    said = f"Default: `{ast.unparse(default[0])}`." if default else "Required."
    return f"{_text(told, attribute.module).rstrip('.')}. {said}"


def _text(node: ast.expr, module: griffe.Module) -> str:
    """A string as it reads; of an f-string, constants of its module are put in, and the rest stands as its source."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, module) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _constant(node.value, module)
    return ast.unparse(node)


def _constant(node: ast.expr, module: griffe.Module) -> str:
    name = ast.unparse(node)
    try:
        member = module[name]
        member = member.final_target if member.is_alias else member
        return str(ast.literal_eval(str(member.value)))
    except (KeyError, ValueError, SyntaxError, griffe.AliasResolutionError):
        return name
