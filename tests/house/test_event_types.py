"""An event type is whole: contract, model, migration, recorder, export, erasure, client and documents know it.

Each test publishes an event of each type, or looks for it, and fails with the file that lacks the type. The list for
people is in CONTRIBUTING.md.
"""

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args
from uuid import UUID

import pytest
import sqlalchemy
import yaml
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tests.support import oracle
from tests.support.events import NOW, Fields, event_id, payload
from tests.support.processes import ROOT
from worker.client import AsyncClient, Client
from worker.contract.codec import decode
from worker.contract.events import EVENT_TYPES, Event
from worker.contract.reader import read
from worker.contract.wire import validate
from worker.database.engine import open_engine, snapshot, transaction
from worker.drain.drain import Drain
from worker.errors import InvalidEventError
from worker.models import Base
from worker.privacy.erasure import erase
from worker.privacy.export import export_lines
from worker.stream.consumer import EventStream
from worker.testing import MemoryClient

PAGE: Final = (ROOT / "docs" / "events.md").read_text()
EXAMPLES: Final = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)]
ASYNCAPI: Final[Fields] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
SCHEMA: Final[Fields] = json.loads((ROOT / "docs" / "event.schema.json").read_text())
GOLDEN: Final = json.loads((ROOT / "tests" / "golden" / "accepted.json").read_text())
ID: Final = event_id(1)
USER: Final = "ada"

each_type = pytest.mark.parametrize("kind", sorted(EVENT_TYPES))


def sample(kind: str) -> Fields:
    """The page's first example of the type, as an event of `USER` with the id `ID`, long ago.

    Without an example it is the least that any event has, so that each test below names what else is missing.
    """
    example: Fields = next((example for example in EXAMPLES if example["type"] == kind), {"type": kind})
    known = {name: value for name, value in example.items() if name != "sent_at"}
    return known | {"id": ID, "user": USER, "time": "2021-04-22T05:40:53Z"}


@pytest.fixture
def drain(stream: EventStream, tmp_path: Path) -> Iterator[Drain]:
    """A drain into a SQLite file whose tables are made by the migrations alone, not by the models."""
    engine = open_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    config = Config()
    config.set_main_option("script_location", "worker:migrations")
    with transaction(engine) as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "head")
    yield Drain(stream, engine, "test:1")
    engine.dispose()


def record(drain: Drain, kind: str) -> None:
    """Publish the sample and drain it, whatever becomes of it."""
    drain.stream.append([payload(sample(kind))])
    # A recorder that gives an event no outcome leaves it in the stream, to be read again and again.
    drain.run(budget_s=1)


def values(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with snapshot(engine) as session:
        return [tuple(row) for row in session.execute(text(sql))]


def tables_with(engine: Engine, id_: str) -> list[str]:
    """The tables of the database, by its own account, in which a row has the id in a column."""

    def is_it(value: Any) -> bool:
        return str(value).replace("-", "") == UUID(id_).hex

    tables = sqlalchemy.inspect(engine).get_table_names()
    return [table for table in tables if any(any(map(is_it, row)) for row in values(engine, f"SELECT * FROM {table}"))]


# --- the contract --------------------------------------------------------------------------------


@each_type
def test_the_wire_contract_accepts_an_event_of_the_type(kind: str) -> None:
    try:
        decode(payload(sample(kind)), now=NOW)
    except InvalidEventError as error:
        pytest.fail(f"worker/contract/wire.py has no model of `{kind}`, or refuses the example of the page: {error}")


@each_type
def test_an_accepted_event_has_a_record_of_its_type(kind: str) -> None:
    records = {record.type: record for record in get_args(Event)}
    assert kind in records, f"worker/contract/events.py has no class for `{kind}`, or `Event` does not name it"
    assert type(validate(payload(sample(kind)).decode())) is records[kind]


@each_type
def test_the_reader_knows_the_type(kind: str) -> None:
    assert read(payload(sample(kind))) is not None, f"worker/contract/reader.py leaves `{kind}` to the slow contract"


@each_type
def test_the_json_schema_names_the_type(kind: str) -> None:
    named = [each["properties"]["type"]["const"] for each in SCHEMA["$defs"].values() if "type" in each["properties"]]
    assert kind in named, f"docs/event.schema.json has no `{kind}`"


@each_type
def test_the_asyncapi_document_names_the_type(kind: str) -> None:
    assert kind in ASYNCAPI["components"]["messages"], f"docs/asyncapi.yaml has no message `{kind}`"
    assert kind in ASYNCAPI["channels"]["events"]["messages"], f"the channel of docs/asyncapi.yaml has no `{kind}`"
    sent = [message["$ref"] for message in ASYNCAPI["operations"]["record"]["messages"]]
    assert f"#/channels/events/messages/{kind}" in sent, f"the operation of docs/asyncapi.yaml has no `{kind}`"


@each_type
def test_the_page_of_the_contract_explains_the_type(kind: str) -> None:
    assert f"\n## {kind.capitalize()}\n" in PAGE, f"docs/events.md has no section on `{kind}`"
    assert kind in {example["type"] for example in EXAMPLES}, f"docs/events.md has no example of `{kind}`"
    row = re.search(r"^\| `type` \| (.+) \|$", PAGE, re.MULTILINE)
    assert row
    assert f"`{kind}`" in row[1], f"docs/events.md does not list `{kind}` as a `type`"


@each_type
def test_the_golden_vectors_have_the_type(kind: str) -> None:
    assert kind in {vector["accepted"]["type"] for vector in GOLDEN}, f"tests/golden/accepted.json has no `{kind}`"


# --- the database --------------------------------------------------------------------------------


@each_type
def test_a_recorder_writes_a_row_into_a_table_of_the_schema(kind: str, drain: Drain) -> None:
    record(drain, kind)
    books = drain.stream.books()
    letters = values(drain.engine, "SELECT reason, detail FROM dead_letters")
    assert books.recorded == 1, f"worker/recorders/batch.py records no `{kind}`: {books}, dead letters {letters}"
    tables = tables_with(drain.engine, ID)
    assert tables, f"worker/recorders/ writes no row with the id of a `{kind}` into a table of worker/migrations/"
    without_model = set(tables) - set(Base.metadata.tables)
    assert not without_model, f"worker/models/ has no model of {without_model}, where a `{kind}` is recorded"


@each_type
def test_an_event_recorded_again_is_a_duplicate(kind: str, drain: Drain) -> None:
    record(drain, kind)
    record(drain, kind)
    assert drain.stream.books().duplicate == 1, f"worker/recorders/ does not recognise a `{kind}` that comes again"


@each_type
def test_the_model_of_the_tests_knows_the_type(kind: str) -> None:
    expected = replace(oracle.expected([payload(sample(kind))]), dead=Counter())
    assert expected != oracle.Tables(), f"tests/support/oracle.py has no case for `{kind}`"


# --- a person's rights ---------------------------------------------------------------------------


@each_type
def test_an_export_has_the_event_and_can_be_published_again(kind: str, drain: Drain) -> None:
    record(drain, kind)
    with snapshot(drain.engine) as session:
        lines = list(export_lines(session.connection(), USER))
    found = [line for line in lines if json.loads(line).get("type") == kind]
    assert len(found) == 1, f"worker/privacy/export.py writes no `{kind}`"
    assert decode(found[0], now=NOW).id == ID


@each_type
def test_erasing_the_user_deletes_the_event_and_counts_it(kind: str, drain: Drain) -> None:
    record(drain, kind)
    receipt = erase(drain, USER, wait_s=1)
    left = tables_with(drain.engine, ID)
    assert left == [], f"erasing a user leaves a `{kind}` in {left}: worker/privacy/erasure.py"
    assert receipt.erased.get(f"{kind}s") == 1, f"the receipt of worker/privacy/erasure.py counts no `{kind}s`"


# --- the client ----------------------------------------------------------------------------------


@each_type
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_each_client_has_a_method_of_the_type(kind: str, client: type) -> None:
    assert callable(getattr(client, kind, None)), f"worker/client/events.py has no method `{kind}`"


@each_type
def test_the_method_publishes_an_event_that_is_accepted(kind: str) -> None:
    client = MemoryClient()
    method = getattr(client, kind, None)
    assert method, f"worker/client/events.py has no method `{kind}`"
    fields = sample(kind)
    known = {**fields, **fields.get("song", {})}
    method(**{name: known[name] for name in inspect.signature(method).parameters if name in known})
    (event,) = client.events
    assert event["type"] == kind
    assert {name: event[name] for name in ("user", "time")} == {"user": USER, "time": fields["time"]}
