"""Compare a `node_config` with what EC2 takes: botocore's model of RunInstances and its enumerations, offline.

Ray passes a `node_config` on as it is, and its schema accepts anything there; EC2 refuses it minutes later.
"""

import difflib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

from search.cluster_files.file import MARK, Where

KINDS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "list": (list,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (str, datetime),
}
RAYS_OWN = {"SubnetIds"}  # a field of node_config that Ray reads: it sends one of the subnets
ADDED = {"MinCount", "MaxCount"}  # fields that Ray adds to what it sends


def faults(config: dict[str, Any]) -> Iterator[tuple[Where, str]]:
    """Yield each difference of a `node_config` from what RunInstances takes: where it is, and what it is."""
    yield from _faults(_model(), {name: value for name, value in config.items() if name not in RAYS_OWN}, ())


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at what may have been meant, empty if nothing is like it."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


@cache
def _model() -> Any:
    import botocore.session  # half a second; only a file for AWS needs it

    return botocore.session.Session().get_service_model("ec2").operation_model("RunInstances").input_shape


def _faults(shape: Any, value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    # For Python a bool is an int as well.
    boolean = shape.type_name == "boolean"
    fits: bool = isinstance(value, KINDS[shape.type_name]) and isinstance(value, bool) == boolean
    if not fits:
        yield where, f"{value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _members(shape, value, where)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _faults(shape.member, item, (*where, index))
    elif getattr(shape, "enum", None) and value not in shape.enum and MARK not in value:
        few = f"; give one of {', '.join(shape.enum)}" if len(shape.enum) < 10 else ""
        yield where, f"EC2 knows no {value!r}{near(value, shape.enum) or few}"


def _members(shape: Any, value: dict[str, Any], where: Where) -> Iterator[tuple[Where, str]]:
    for name, item in value.items():
        if name in shape.members:
            yield from _faults(shape.members[name], item, (*where, name))
        else:
            yield (*where, name), f"EC2 knows no such parameter{near(name, shape.members)}"
    for name in set(shape.required_members) - value.keys() - ADDED:
        yield where, f"{name} is missing"
