"""W&B's schema on loopback: it has what wandb's clients ask for, and refuses what it does not have."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

graphql = pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb = pytest.importorskip("wandb")

from compat_tests.servers import graphql_operation  # noqa: E402
from compat_tests.servers.conftest import Client  # noqa: E402
from compat_tests.servers.wandb_cloud import WandbCloud  # noqa: E402
from compat_tests.tools import graphql_documents  # noqa: E402

OLD_RUN = "query Run($name: String!) { project(name: $name, entityName: $name) { run(name: $name) { historyKeys } } }"


def ask(cloud: WandbCloud, query: str, variables: Any = None) -> tuple[int, Any]:
    """Status and body of an answer."""
    login = b64encode(f"api:{cloud.api_key}".encode()).decode()
    body = json.dumps({"query": query, "variables": variables}).encode()
    try:
        with urlopen(Request(f"{cloud.url}/graphql", body, {"Authorization": f"Basic {login}"})) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_every_document_of_the_installed_client_is_valid() -> None:
    """`python -m compat_tests.tools.graphql_documents` does the same to any wandb; 0.13.11 to 0.31 were tried."""
    found = graphql_documents.documents(Path(wandb.__file__).parent)
    reasons = {text: graphql_documents.refusals(graphql_operation.schema(), text) for text in found}
    unknown = [text for text, said in reasons.items() if said == [graphql_documents.UNKNOWN]]
    assert len(found) > 100 and len(unknown) < 12, [text[:80] for text in unknown]
    assert {text[:80]: said for text, said in reasons.items() if said and text not in unknown} == {}


def test_the_schema_has_what_the_oldest_client_asks_for() -> None:
    schema = graphql_operation.schema()
    for line in Path(__file__).with_name("asked_by_wandb_0_13.txt").read_text("utf-8").splitlines():
        kind, name, argument, given = re.fullmatch(r"(\w+)\.(\w+)(?:\((\w+): (.+)\))?", line).groups()  # type: ignore[union-attr]
        field = schema.type_map[kind].fields[name]  # type: ignore[attr-defined]
        if argument:
            known = graphql.type_from_ast(schema, graphql.parse_type(given))
            taken = field.args[argument].type
            assert graphql.is_type_sub_type_of(schema, known, taken), f"{line}, but the schema takes {taken}"


def test_a_document_that_the_schema_does_not_have_is_found(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        "FIELDS = 'fragment F on Run { id nonsense }'\n"
        "QUERY = 'query A($name: String!) { project(name: $name) { run(name: $name) { ...F } } }' + FIELDS\n"
        "gql(f'query B {{ viewer {{ id }} }} {FIELDS}')\n"
    )
    found = graphql_documents.documents(tmp_path)
    said = [reason for text in found for reason in graphql_documents.refusals(graphql_operation.schema(), text)]
    assert len(found) == 2 and any("nonsense" in reason for reason in said)
    assert graphql_documents.main([str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("query", "variables", "reason"),
    [
        ("{ viewer { id shoeSize } }", None, "Cannot query field 'shoeSize' on type 'User'"),
        ("{ project(name: \"p\", colour: \"red\") { id } }", None, "Unknown argument 'colour'"),
        ("{ project(name: \"p\") }", None, "must have a selection of subfields"),
        ("query R($n: Int!) { project(name: $n) { id } }", {"n": 1}, "Variable '$n' of type 'Int!'"),
        (OLD_RUN, {}, "Variable '$name'"),
        (OLD_RUN, {"name": 7}, "String cannot represent a non string value"),
        ("{ ...Nobody }", None, "Unknown fragment 'Nobody'"),
        ("mutation M($i: UpsertBucketInput) { upsertBucket(input: $i) { inserted } }", {"i": {"shoe": 1}}, "shoe"),
        ("mutation M { createRunFiles(input: {files: []}) { runID } }", None, "required field 'entityName'"),
    ],
)  # fmt: skip
def test_what_the_schema_does_not_have_is_refused(cloud: WandbCloud, query: str, variables: Any, reason: str) -> None:
    cloud.add_run("p", "r")
    status, body = ask(cloud, query, variables)
    assert status == 400 and "data" not in body and reason in body["errors"][0]["message"]
    assert len(cloud.refused) == 1 and reason in cloud.refused[0] and not cloud.errors and len(cloud.runs) == 1


def test_a_server_that_lacks_a_field_refuses_who_asks_for_it(cloud: WandbCloud) -> None:
    cloud.add_run("p", "r", [{"loss": 1}])
    fields = '{ __type(name: "Run") { fields { name } } }'
    run = '{ project(name: "p") { run(name: "r") { name %s } } }'
    assert {"name": "parquetHistory"} in ask(cloud, fields)[1]["data"]["__type"]["fields"]
    cloud.lacks |= {"Run.parquetHistory", "CreateArtifactInput.tags"}
    assert {"name": "parquetHistory"} not in ask(cloud, fields)[1]["data"]["__type"]["fields"]
    assert ask(cloud, run % "")[0] == 200
    status, body = ask(cloud, run % "parquetHistory(liveKeys: []) { parquetUrls }")
    assert status == 400 and "parquetHistory" in body["errors"][0]["message"]
    cloud.lacks.add("Run.shoeSize")
    assert ask(cloud, run % "")[0] == 500  # a test that misspells what a server lacks is told so
    assert "the schema has no Run.shoeSize" in cloud.errors.pop()


def test_the_client_meets_a_refusal(cloud: WandbCloud, client: Client) -> None:
    cloud.add_run("p", "r", [{"loss": 1}])
    cloud.lacks.add("Run.historyKeys")
    said = client(
        """
try:
    run = wandb.Api().run("acme/p/r")
    say([run.state, run.lastHistoryStep])
except Exception as exc:
    say(f"{type(exc).__name__}: {exc}")
""",
        refused=True,
        WANDB__GRAPHQL_RETRY_MAX="1",
    )
    assert "historyKeys" in str(said) or "400" in str(said)
    assert cloud.refused and all("historyKeys" in reason for reason in cloud.refused)
