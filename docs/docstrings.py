"""Docstrings to what Sphinx reads: theirs is plain text, with formulas as indented blocks."""

import re

SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields):( .*)?$")
CODE = re.compile(r"(``[^`]+``|`[^`]+`)")


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring in reStructuredText, sections excepted, which napoleon converts."""
    found: list[str] = []
    for block in blocks(lines):
        indent = len(block[0]) - len(block[0].lstrip())
        if not block[0].strip() or block[0].startswith((">>>", "===")):
            found += block
        elif block[0].startswith("#### "):
            found += [f".. rubric:: {block[0][5:]}", "", *escaped(entries(block[1:])), ""]
        elif indent >= 4 and not in_section(found):
            found += ["::", "", *block]
        else:
            found += escaped(block)
    return found


def blocks(lines: list[str]) -> list[list[str]]:
    """Paragraphs, and the empty lines between them."""
    found: list[list[str]] = []
    for line in lines:
        same = found and bool(found[-1][0].strip()) == bool(line.strip())
        if same and not line.startswith("#### "):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def entries(lines: list[str]) -> list[str]:
    """References, each a paragraph: it begins with a number or a word such as Source."""
    found: list[str] = []
    for before, line in zip(["", *lines], lines):
        begins = re.match(r"\[|Source:", line) or (before[:1] == " " and line[:1] != " ")
        found += [""] * bool(begins) + [line.strip()]
    return found


def in_section(found: list[str]) -> bool:
    """Whether the last line that is not indented begins a section such as Args."""
    heads = [line for line in found if line.strip() and not line.startswith(" ")]
    return bool(heads and SECTION.match(heads[-1]))


def escaped(block: list[str]) -> list[str]:
    """A paragraph whose signs mean themselves: only code in backticks is marked."""
    pieces = CODE.split("\n".join(block))
    for i, piece in enumerate(pieces):
        if i % 2:  # code: what follows it at once needs a separator
            after = pieces[i + 1][:1]
            pieces[i] = piece + ("\\ " if re.match(r"[\w'(]", after) else "")
            continue
        piece = piece.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
        piece = re.sub(r"(?<!^)(?<!\n)(?<!\n {2})(?<!\n {4})\*", r"\\*", piece)
        piece = re.sub(r"(?m)(^\s*|: )([A-Za-z])\.(?=\s|$)", r"\1\\\2.", piece)  # no list
        pieces[i] = re.sub(r"(\w)_(?!\w)", r"\1\\_", piece)
    return "".join(pieces).split("\n")
