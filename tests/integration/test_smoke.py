from sqlalchemy import Engine, text

from worker.database import snapshot
from worker.drain import Drain
from worker.stream import EventStream


def test_an_event_becomes_a_row(stream: EventStream, engine: Engine) -> None:
    stream.append(
        [b'{"type":"play","time":"2021-04-22T05:40:53Z","user":"ada","song":{"title":"a","artist":"b"}}', b"x"]
    )
    tally = Drain(stream, engine, "test").run()
    with snapshot(engine) as session:
        assert session.scalar(text("select count(*) from play_history")) == 1
    assert tally.events == 2
    assert stream.books().balanced
