"""Which tests take a third of a second and more, and so have the mark `slow`.

    pytest -n auto --junitxml=times.xml
    python tests/support/slow.py times.xml > tests/support/slow.txt

The time of a test with parameters is the mean over them.
"""

import collections
import sys
import xml.etree.ElementTree

SECONDS = 0.35


def functions(path):
    """The node ids, without parameters, of the slow tests in a report in JUnit's format."""
    times = collections.defaultdict(list)
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        file = case.get("classname").replace(".", "/")
        times[f"{file}.py::{case.get('name').split('[')[0]}"].append(float(case.get("time")))
    return sorted(name for name, each in times.items() if sum(each) / len(each) >= SECONDS)


if __name__ == "__main__":
    print(*functions(sys.argv[1]), sep="\n")
