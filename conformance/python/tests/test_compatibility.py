"""The page of what is supported, held to AWS's own model of the API and to what the server answers."""
import re
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from harness.server import ACCOUNT, REGION

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "compatibility.md"
MODEL = botocore.session.get_session().get_service_model("lambda")
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody"
# What stands for a value that the client insists on, by the type that the model gives it.
VALUES = {"string": "nobody", "blob": b"{}", "integer": 1, "long": 1, "list": [], "map": {}, "boolean": True, "structure": {}}


def rows():
    """`(operation, cells)` of every row, the two of an operation one after the other."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] in MODEL.operation_names:
            yield cells[0], cells[1:]


SUPPORT = {name: cells[0] for name, cells in rows() if re.match(r"(supported|partly|not: )", cells[0])}
FIELDS = {name: cells for name, cells in rows() if not re.match(r"(supported|partly|not: )", cells[0])}


def members(shape):
    return set(shape.members) if shape else set()


def test_the_page_names_every_operation_and_field_of_the_model():
    assert set(SUPPORT) == set(FIELDS) == set(MODEL.operation_names)
    for name, cells in FIELDS.items():
        request, reply = ({field.strip("* ").split(" ")[0] for field in cell.split(",") if field.strip()} for cell in cells)
        model = MODEL.operation_model(name)
        assert (name, request, reply) == (name, members(model.input_shape), members(model.output_shape))


@pytest.mark.parametrize("name", sorted(SUPPORT))
def test_what_is_not_supported_is_refused_by_name_and_nothing_else_is(lam, name):
    shape = MODEL.operation_model(name).input_shape
    asked = {}
    for field in (shape.required_members if shape else ()):
        asked[field] = ARN if field.endswith("Arn") else VALUES[shape.members[field].type_name]
    served = not SUPPORT[name].startswith("not: ")
    try:
        getattr(lam, xform_name(name))(**asked)
    except lam.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (status != 501) == served, error
        assert served or f"lambda:{name}" in error.response["Error"]["Message"]
    else:
        assert served
