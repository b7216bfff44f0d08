"""What is wrong with a template, in the words of who writes one: where, what, and the nearest name there is."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, get_args, get_type_hints

import jinja2
from jinja2 import meta, nodes
from jinja2.filters import FILTERS
from jinja2.tests import TESTS
from jinja2.utils import missing

from digest import tomlfile
from digest.letters import views
from digest.letters.slots import Slot

# How templates call what they see; the last three are items of tuples, under the names in the shipped ones.
CALLED: dict[type, str] = {
    views.LetterView: "letter",
    views.CardView: "card",
    views.WhyView: "why",
    views.GroupView: "group",
    views.FooterView: "letter.footer",
    views.ActView: "act",
    views.LinkView: "link",
    views.SayView: "say",
}
SEEN_BY = {"also": "card"}  # a template that sees something of another name than its own
# What may be done with what differs from reader to reader, besides printing it.
_KEEPS = {"wrap", "safe", "e", "escape", "forceescape", "trim", "string", "default", "d"}
_REFUSED = (nodes.Compare, nodes.BinExpr, nodes.UnaryExpr, nodes.Call, nodes.Getattr, nodes.Getitem)
_LOGIC = (nodes.And, nodes.Or, nodes.Not)
_NO_SUCH_FILTER = re.compile(r"No (filter|test) named '(.+?)'")
_OUR_NAMES = re.compile(r"digest\.[a-z.]+\.")


class Place(NamedTuple):
    """A fault in a template."""

    path: str
    line: int | None
    what: str

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Missing(jinja2.StrictUndefined):
    """A name that is not there is an error, which names the nearest one that is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        of, name = self._undefined_obj, self._undefined_name
        if isinstance(of, Slot):
            return of.told()
        if of is missing:
            return no_such(str(name), ["letter", "card", "why", "group"])
        if type(of) in CALLED:
            return no_field(CALLED[type(of)], type(of), str(name))
        if of is None or isinstance(of, jinja2.Undefined):
            return f"there is nothing to take {name!r} of"
        return f"{_kind(of)} has no {name!r}"


def no_such(name: str, known: Collection[str]) -> str:
    guess = tomlfile.nearest(name, list(known))
    return f"{name}: there is no such variable" + (f"; did you mean {guess}?" if guess else "")


def no_field(called: str, view: type, name: str) -> str:
    known = [one.name for one in fields(view)]
    guess = tomlfile.nearest(name, known)
    told = f"did you mean {called}.{guess}?" if guess else f"there are {', '.join(known)}"
    return f"{called}.{name}: there is no such variable; {told}"


def of_error(error: Exception) -> Place | None:
    """Where and why rendering ended; None for an error that no template has part in."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        what = error.message or "this is not understood"
        if found := _NO_SUCH_FILTER.match(what):
            guess = tomlfile.nearest(found[2], ["wrap", *FILTERS] if found[1] == "filter" else list(TESTS))
            what = f"there is no {found[1]} named {found[2]!r}" + (f"; did you mean {guess!r}?" if guess else "")
        return Place(error.filename or error.name or "a template", error.lineno, what)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith((".html", ".txt"))]
    if not frames and not isinstance(error, jinja2.TemplateError):
        return None
    path, line = (frames[-1].filename, frames[-1].lineno) if frames else ("a template of yours", None)
    if isinstance(error, jinja2.TemplateNotFound):
        return Place(path, line, f"there is no template {error.name!r} to take in")
    if isinstance(error, jinja2.TemplateError):
        return Place(path, line, error.message or "this cannot be rendered")
    return Place(path, line, f"this cannot be computed: {_OUR_NAMES.sub('', str(error)) or type(error).__name__}")


class Source:
    """A template, read without rendering it."""

    def __init__(self, environment: jinja2.Environment, name: str) -> None:
        """Raises `jinja2.TemplateSyntaxError`, which `of_error` explains."""
        loader = environment.loader
        assert loader is not None
        source, path, _ = loader.get_source(environment, name)
        self.path = path or name
        self._tree = environment.parse(source, name, path)
        environment.compile(source, name, path)  # finds filters that are not there
        part = name.removeprefix("letter/").partition(".")[0]
        self._root = SEEN_BY.get(part, part)
        self._globals = set(environment.globals)
        self._types: dict[str, Any] = {self._root: next(view for view, one in CALLED.items() if one == self._root)}
        self._bind()

    def unknown(self) -> Iterator[Place]:
        """Every variable that there is not, also where no letter leads to it."""
        strange = meta.find_undeclared_variables(self._tree) - {self._root} - self._globals
        # What is set in one branch alone is a variable, too.
        strange -= {one.name for one in self._tree.find_all(nodes.Name) if one.ctx != "load"}
        strange -= {one.name for one in self._tree.find_all(nodes.Macro)}
        own = [one.name for one in fields(self._types[self._root])]
        for name in self._tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name in strange:
                what = no_such(name.name, [self._root])
                if name.name in own:
                    what = f"{name.name}: there is no such variable; did you mean {self._root}.{name.name}?"
                elif name.name in CALLED.values():
                    what = f"{name.name}: this template does not see it, but `{self._root}`"
                yield Place(self.path, name.lineno, what)
        for node in self._tree.find_all(nodes.Expr):
            if not isinstance(node, nodes.Getattr | nodes.Getitem):
                continue
            view, field = self._type(node.node), _field(node)
            if not (isinstance(view, type) and is_dataclass(view)) or field is None:
                continue
            if field not in {one.name for one in fields(view)}:
                called = _spelt(node.node) or CALLED[view]
                yield Place(self.path, node.lineno, no_field(called, view, field))

    def computes(self) -> Iterator[Place]:
        """Where it does more than print with what differs from reader to reader."""
        for node in self._tree.find_all(nodes.Node):
            if isinstance(node, nodes.Filter) and node.node is not None and node.name not in _KEEPS:
                used: list[nodes.Node] = [node.node]
            elif isinstance(node, nodes.Test):
                used = [] if node.name in ("defined", "undefined") else [node.node]
            elif isinstance(node, _REFUSED) and not isinstance(node, _LOGIC):
                used = list(node.iter_child_nodes())
                used += [one.expr for one in used if isinstance(one, nodes.Operand)]
            else:
                continue
            for one in used:
                if self._type(one) == "own":
                    yield Place(self.path, node.lineno, str(Slot(_spelt(one) or "this", {}).told()))

    def unescaped(self) -> Iterator[Place]:
        """Where text is printed as it comes."""
        for node in self._tree.find_all(nodes.Filter):
            if node.name == "safe" and node.node is not None and self._type(node.node) in ("own", "text"):
                what = f"{_spelt(node.node)} is printed unescaped, by the filter `safe`"
                yield Place(self.path, node.lineno, what)
        for block in self._tree.find_all(nodes.EvalContextModifier):
            yield Place(self.path, block.lineno, "nothing is escaped here, by `autoescape`")

    def _bind(self) -> None:
        """The types of loop variables and of what is `set`; a name that is used for two things has none."""
        torn: set[str] = set()
        for _ in range(3):  # one may come from another
            many = [(one.target, self._type(one.iter)) for one in self._tree.find_all(nodes.For)]
            named = [(target, of[1] if isinstance(of, tuple) else None) for target, of in many]
            named += [(one.target, self._type(one.node)) for one in self._tree.find_all(nodes.Assign)]
            for target, found in named:
                if not isinstance(target, nodes.Name) or target.name == self._root or found is None:
                    continue
                if self._types.setdefault(target.name, found) != found:
                    torn.add(target.name)
            for name in torn:
                self._types[name] = None

    def _type(self, node: nodes.Node | None) -> Any:
        """A view, ("many", view), "own", "text", or None where that is not known."""
        if isinstance(node, nodes.Name):
            return self._types.get(node.name)
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            return None
        view, field = self._type(node.node), _field(node)
        if not (isinstance(view, type) and is_dataclass(view)) or field is None:
            return None
        kind = get_type_hints(view).get(field)
        # A reason and a heading are rendered for those who have them, with their words in place.
        if field in getattr(view, "OWN", ()) and view not in (views.WhyView, views.GroupView):
            return "own"
        return ("many", get_args(kind)[0]) if get_args(kind) else "text" if kind is str else kind


def _field(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


def _spelt(node: nodes.Node) -> str:
    """ "letter.footer.why", as the template writes it."""
    if isinstance(node, nodes.Name):
        return node.name
    field = _field(node)
    if field is None or not isinstance(node, nodes.Getattr | nodes.Getitem):
        return ""
    before = _spelt(node.node)
    return before and f"{before}.{field}"


def _kind(value: object) -> str:
    return {"str": "a text", "tuple": "a list", "bool": "a yes or no", "int": "a number"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
