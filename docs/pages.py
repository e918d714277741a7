"""The pages of the site that are made of the zoo and of the modules, into `docs/_made`."""

import importlib
import inspect
import pathlib
import pkgutil

from tfar import kinds, zoo
from tfar.zoo import cards

ROOMS = {  # in the order in which a reader meets them
    "tfar.models": "Models",
    "tfar.heads": "Heads",
    "tfar.layers": "Causal layers",
    "tfar.orders": "Orders",
    "tfar.conditions": "Conditions",
    "tfar.sampling": "The joint distribution and sampling",
    "tfar.distributions": "Distributions",
    "tfar.zoo": "The zoo",
    "tfar.datasets": "Data sets",
    "tfar.training": "Training",
    "tfar.distribute": "Several devices",
    "tfar.pictures": "Images of your own",
    "tfar.text": "Texts",
    "tfar.tables": "Tables",
    "tfar.anomaly": "Anomalies",
    "tfar.compression": "Compression",
    "tfar.serving": "Serving",
    "tfar.kinds": "Kinds",
    "tfar.plots": "Plots",
    "tfar.testing": "The contracts",
}


def write(docs: pathlib.Path) -> None:
    """Writes the pages, those that have not changed excepted: Sphinx reads them again otherwise."""
    made = {**reference(), **models()}
    folder = docs / "_made"
    for path in folder.rglob("*.md"):
        if str(path.relative_to(folder)) not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def reference() -> dict[str, str]:
    """A page for each room, with its public modules."""
    found = {}
    for room, title in ROOMS.items():
        text, seen = [f"# {title}: `{room}`", ""], set()
        for module in public(room):
            names = set(getattr(importlib.import_module(module), "__all__", ()))
            again = ", ".join(sorted(names & seen))
            text += ["```{eval-rst}", f".. automodule:: {module}"]
            text += [f"   :exclude-members: {again}"] * bool(again) + ["```", ""]
            seen |= names
        found[f"reference/{room}.md"] = "\n".join(text)
    found["reference.md"] = contents("Reference", [f"reference/{room}" for room in ROOMS])
    return found


def public(room: str) -> list[str]:
    """A package and its modules that define something public, or the module itself."""
    module = importlib.import_module(room)
    if not hasattr(module, "__path__"):
        return [room]
    inside = [f"{room}.{found.name}" for found in pkgutil.iter_modules(module.__path__)]
    # A function may have the name of its module, which then has nothing else.
    return [room, *(name for name in inside if _is_module(module, name.rpartition(".")[2]))]


def _is_module(package, name):
    return not name.startswith("_") and inspect.ismodule(getattr(package, name, inspect))


def models() -> dict[str, str]:
    """A page for every trained model, and their list."""
    found = {f"models/{name}.md": cards.card(zoo.info(name)) for name in zoo.list()}
    found["models.md"] = contents("Trained models", [f"models/{name}" for name in zoo.list()])
    return found


def figures() -> dict[str, str]:
    """The test figure of each trained model, with a link, by its name."""
    found = {}
    for name in zoo.list():
        metrics = zoo.info(name)
        per = metrics.get("per", "example")
        words = f"{cards.nats(metrics['test'], per)} nats{kinds.per(per).each}"
        found[name] = f"[`{name}`](_made/models/{name}.md): {words}"
    return found


def contents(title: str, pages: list[str]) -> str:
    """A page that lists others."""
    return "\n".join([f"# {title}", "", ":::{toctree}", *pages, ":::", ""])
