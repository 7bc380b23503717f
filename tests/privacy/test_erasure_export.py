"""A person's right to everything and to nothing: export, forget, and back."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import Connection, Engine, func, select, text, update
from tenacity import stop_after_attempt

from tests.support import oracle
from tests.support.commands import Zik, zik_at
from tests.support.door import announce_song
from tests.support.events import accepted, event_id, favorite, payload, play, preference, song
from tests.support.processes import eventually, litter
from tests.support.rollup_rows import RULE, assert_exact
from worker.books import Outcome
from worker.cli.token import NOT_ANNOUNCED
from worker.contract.events import MAX_EVENT_BYTES
from worker.database.engine import snapshot, transaction
from worker.drain.drain import Drain
from worker.errors import StreamUnavailableError, UnknownUserError, ZikError
from worker.importers.json_lines import Published, publish_lines
from worker.models import (
    Base,
    ChartPlace,
    CorrectedPlay,
    DeadLetter,
    PlayHistory,
    Preference,
    Song,
    StaleChart,
    Track,
    User,
)
from worker.operations import corrections, feedback, tokens
from worker.operations.corrections import Changes
from worker.operations.left_out import leave_out, leave_out_shown
from worker.privacy.erasure import _WHILE_LOCKED, _delete, _lock_songs, erase
from worker.privacy.export import export_lines
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics.charts import refresh_charts
from worker.statistics.rollups.sums import sum_up
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify
from worker.stream.consumer import EventStream
from worker.stream.keys import NOW_PLAYING, REVOKED, now_playing_key

NOW = datetime.now(UTC)
FULL = play(
    id=event_id(1),
    user="Zoë",
    time="2021-04-22T23:30:00.000001+05:30",
    song=song(
        album="Lateralus",
        duration_ms=183_000,
        ids={"isrc": "US1", "mbid": "m"},
        artists=["Tool", "Guest"],
        album_artist="Various",
    ),
    ms_played=181_200,
    source="mpd/0.23.14",
    context={"shuffle": True, "mood": "\u2028"},
)
HERS = [
    FULL,
    play(id=event_id(2), user="Zoë", song=song(title="<b>&\x1b[31m")),
    favorite(id=event_id(3), user="Zoë"),
    favorite(id=event_id(4), user="Zoë", song=song(title="gone"), favorite=False),
    preference(id=event_id(5), user="Zoë", key="timezone", value="Europe/Vienna"),
    preference(id=event_id(6), user="Zoë", key="mood", value=None),
    preference(id=event_id(7), user="Zoë", key="free", value={"now": ["calm", 1.5]}),
]
LIVE = play(id=event_id(8), user="Zoë", time="2021-06-01T00:00:00Z", song=song(album="Live", duration_ms=200_000))
OTHERS = [play(id=event_id(20), user="ada"), favorite(id=event_id(21), user="ada", favorite=False)]


@pytest.fixture
def drain(stream: EventStream, engine: Engine) -> Drain:
    stream.append([payload(event) for event in HERS + OTHERS])
    drain = Drain(stream, engine, "test:1")
    drain.run()
    refresh(engine, RULE)
    return drain


def lines(engine: Engine, name: str) -> list[bytes]:
    with snapshot(engine) as session:
        return list(export_lines(session.connection(), name))


def anywhere(engine: Engine, words: str) -> list[str]:
    """The tables in which the words stand."""
    found = []
    with snapshot(engine) as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(table)).all()
            if any(
                words in (value.decode(errors="replace") if isinstance(value, bytes) else str(value))
                for row in rows
                for value in row
            ):
                found.append(table.name)
    return found


def test_republishing_an_export_changes_nothing(drain: Drain) -> None:
    before = oracle.actual(drain.engine)
    exported = lines(drain.engine, "Zoe\u0308")
    assert len(exported) == 1 + len(HERS)
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    assert drain.run().events == len(HERS)
    assert oracle.actual(drain.engine) == before


def test_an_export_brings_everything_back(drain: Drain) -> None:
    drain.stream.append([payload(LIVE)])
    drain.run()
    exported = lines(drain.engine, "Zoë")
    before = all_plays(drain.engine), oracle.actual(drain.engine)
    erase(drain, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    drain.run()
    assert (all_plays(drain.engine), oracle.actual(drain.engine)) == before
    assert lines(drain.engine, "Zoë")[1:] == exported[1:]


def test_each_exported_play_has_its_own_album_artists_and_duration(drain: Drain) -> None:
    drain.stream.append([payload(LIVE)])
    drain.run()
    plays = [json.loads(line) for line in lines(drain.engine, "Zoë") if b'"play"' in line]
    songs = {each["id"]: each["song"] for each in plays}
    assert songs[event_id(1)] == FULL["song"]
    assert songs[event_id(8)].items() >= {"album": "Live", "duration_ms": 200_000}.items()
    for number, absent in ((8, {"artists", "album_artist"}), (2, {"album", "duration_ms", "artists", "album_artist"})):
        assert absent.isdisjoint(songs[event_id(number)])


def test_a_play_of_an_older_release_is_exported_with_what_its_song_knew(drain: Drain) -> None:
    drain.stream.append([payload(LIVE)])
    drain.run()
    with transaction(drain.engine) as session:
        legacy = session.scalars(select(Track).where(Track.album == "Live")).one()
        knew = {"legacy_track_id": legacy.id, "legacy_duration_ms": 190_000}
        session.execute(update(Song).where(Song.id == legacy.song_id).values(knew))
        session.execute(
            update(PlayHistory).where(PlayHistory.id == UUID(event_id(1))).values(track_id=None, duration_ms=None)
        )
    (line,) = (line for line in lines(drain.engine, "Zoë") if event_id(1).encode() in line)
    exported = json.loads(line)["song"]
    assert (exported["album"], exported["duration_ms"], exported.get("artists")) == ("Live", 190_000, None)


def all_plays(engine: Engine) -> list[tuple[object, ...]]:
    columns = (
        User.username, PlayHistory.id, Song.identity, PlayHistory.played_at, PlayHistory.utc_offset_minutes,
        PlayHistory.ms_played, PlayHistory.source, PlayHistory.context, PlayHistory.duration_ms, Track.identity,
    )  # fmt: skip
    with snapshot(engine) as session:
        plays = select(*columns).join(User, User.id == PlayHistory.user_id).join(Song)
        rows = session.execute(plays.outerjoin(Track, Track.id == PlayHistory.track_id))
        return sorted((tuple(row) for row in rows), key=str)


def test_the_first_line_is_the_account(drain: Drain) -> None:
    with transaction(drain.engine) as session:
        user = session.scalars(select(User).where(User.username == "Zoë")).one()
        user.email, user.moods, user.is_active = "zoe@example.org", {"now": "calm"}, False
    account = json.loads(lines(drain.engine, "Zoë")[0])["listener"]
    assert datetime.fromisoformat(account.pop("since")) <= datetime.now(UTC)
    assert account == {"user": "Zoë", "email": "zoe@example.org", "moods": {"now": "calm"}, "is_active": False}


def test_a_user_without_events_is_exported_as_one_account_line(stream: EventStream, engine: Engine) -> None:
    with transaction(engine) as session:
        User(username="eve", email="eve@example.org", moods={"all": "m" * 20_000}).save(session)
    exported = lines(engine, "eve")
    assert len(exported) == 1
    assert b"eve@example.org" in exported[0]
    assert publish_lines(stream.append, iter(exported), now=NOW) == Published()


TOLD_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def with_tokens_and_feedback(engine: Engine) -> list[str]:
    """Two tokens of Zoë and one of ada, and feedback on songs that are not there yet. Returns Zoë's tokens."""
    hers = [
        tokens.create(engine, "Zoë", name="phone", scopes=[tokens.Scope.SUBMIT], audioscrobbler=True),
        tokens.create(engine, "Zoë", name="laptop", scopes=[tokens.Scope.READ, tokens.Scope.ADMIN]),
    ]
    tokens.create(engine, "ada", name="phone", scopes=[tokens.Scope.SUBMIT])
    tokens.touch(engine, {1: TOLD_AT})
    feedback.keep(engine, "Zoë", f"mbid:{event_id(2)}", 1, TOLD_AT)
    feedback.keep(engine, "Zoë", f"msid:{event_id(1)}", -1, TOLD_AT.replace(hour=11))
    feedback.keep(engine, "ada", f"mbid:{event_id(3)}", 1, TOLD_AT)
    return hers


def test_an_export_has_tokens_without_digests_and_feedback_that_waits(drain: Drain) -> None:
    hers = with_tokens_and_feedback(drain.engine)
    drain.stream.append([payload(play(user="Zoë", time="yesterday"))])
    drain.run()
    exported = lines(drain.engine, "Zoë")
    kinds = [next(iter(json.loads(line))) for line in exported]
    assert [kinds[0], *kinds[1:3], *kinds[-3:]] == [
        "listener", "token", "token", "pending_feedback", "pending_feedback", "dead_letter",
    ]  # fmt: skip
    phone, laptop = (json.loads(line)["token"] for line in exported[1:3])
    assert datetime.fromisoformat(phone.pop("created")) <= datetime.now(UTC)
    assert phone == {
        "name": "phone", "scopes": ["submit"], "audioscrobbler": True, "last_used": "2026-11-28T12:00:00Z",
    }  # fmt: skip
    assert (laptop["scopes"], laptop["last_used"]) == (["read", "admin"], None)
    assert [json.loads(line)["pending_feedback"] for line in exported[-3:-1]] == [
        {"song": f"msid:{event_id(1)}", "score": -1, "time": "2026-11-28T11:00:00Z"},
        {"song": f"mbid:{event_id(2)}", "score": 1, "time": "2026-11-28T12:00:00Z"},
    ]
    text = b"\n".join(exported).decode()
    secrets = [tokens.find(drain.engine, tokens.digest_of(token)) for token in hers]
    assert [token for token in hers if token in text or tokens.digest_of(token) in text] == []
    assert [found for found in secrets if found and found.audioscrobbler and found.audioscrobbler in text] == []
    assert publish_lines(drain.stream.append, iter(exported), now=NOW) == Published(sent=len(HERS))


def test_forgetting_a_user_revokes_their_tokens_at_once(drain: Drain, valkey: "redis.Redis") -> None:
    hers = with_tokens_and_feedback(drain.engine)
    with valkey.pubsub() as hearing:  # type: ignore[no-untyped-call]  # redis-py's own
        hearing.subscribe(REVOKED)
        assert hearing.get_message(timeout=5)
        receipt = erase(drain, "Zoë")
        heard = [hearing.get_message(timeout=5) for _ in hers]
    assert (receipt.erased["tokens"], receipt.erased["pending feedback"], receipt.announced) == (2, 2, True)
    assert {message["data"].decode() for message in heard if message} == set(map(tokens.digest_of, hers))
    assert [token.username for token in tokens.listed(drain.engine)] == ["ada"]
    assert anywhere(drain.engine, f"mbid:{event_id(3)}") == ["pending_feedback"]
    assert anywhere(drain.engine, f"mbid:{event_id(2)}") == anywhere(drain.engine, f"msid:{event_id(1)}") == []


def test_a_user_who_has_only_a_token_is_exported_and_forgotten(stream: EventStream, engine: Engine) -> None:
    tokens.create(engine, "eve", name="phone", scopes=[tokens.Scope.SUBMIT])
    exported = lines(engine, "eve")
    assert [next(iter(json.loads(line))) for line in exported] == ["listener", "token"]
    receipt = erase(Drain(stream, engine, "test:1"), "eve")
    assert {kind: count for kind, count in receipt.erased.items() if count} == {"account": 1, "tokens": 1}
    assert anywhere(engine, "eve") == []


def test_forgetting_names_the_delay_where_redis_does_not_announce_it(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tokens_and_feedback(engine)

    def refuse(*_: object) -> None:
        raise StreamUnavailableError("Redis refuses the command")

    monkeypatch.setattr("worker.stream.inspection.StreamInspector.announce_revoked", refuse)
    answer = zik("forget", "Zoë", "--yes", "--json")
    assert (answer.code, answer.err) == (0, f"zik: {NOT_ANNOUNCED}\n")
    assert (answer.json["erased"]["tokens"], answer.json["erased"]["pending feedback"]) == (2, 2)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_forgetting_locks_tokens_in_the_order_of_the_servers(drain: Drain) -> None:
    """By the cascade they would be locked by name, and a server that notes their use would deadlock with it."""
    for name in "ba":
        tokens.create(drain.engine, "Zoë", name=name, scopes=[tokens.Scope.SUBMIT])
    with ThreadPoolExecutor(1) as pool, ExitStack() as server:
        connection = server.enter_context(transaction(drain.engine)).connection()
        connection.execute(text("SELECT id FROM tokens WHERE id = 1 FOR UPDATE"))
        erasure = pool.submit(_delete, drain.engine, "Zoë")
        eventually(lambda: is_blocked(drain.engine), within_s=10)
        connection.execute(text("SELECT id FROM tokens WHERE id = 2 FOR UPDATE NOWAIT"))
        server.close()
        erased, digests = erasure.result(20)
    assert (erased["tokens"], len(digests)) == (2, 2)


def is_blocked(engine: Engine) -> bool:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with snapshot(engine) as session:
        return bool(session.scalar(text(blocked)))


TABLES_OF_A_USER = {name for name, table in Base.metadata.tables.items() if "user_id" in table.columns}


def test_no_table_keeps_a_row_of_a_forgotten_user(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tokens_and_feedback(drain.engine)
    with transaction(drain.engine) as session:
        user_id = session.scalars(select(User.id).where(User.username == "Zoë")).one()
        session.execute(
            text("INSERT INTO stale_histories (mark, user_id) VALUES (:mark, :id)"),
            {"mark": event_id(9), "id": user_id},
        )
        played = select(PlayHistory.played_at, Song.identity).join(Song, Song.id == PlayHistory.song_id)
        at, identity = session.execute(played.where(PlayHistory.user_id == user_id).limit(1)).one()
    assert corrections.delete_play(drain.engine, "Zoë", at, identity.hex)
    assert leave_out_shown(drain.engine, user_id, "song", identity)
    # Of a history that is long, and old enough.
    monkeypatch.setattr("worker.statistics.rollups.sums._LATE", timedelta())
    assert [*sum_up(drain.engine, user_id)]
    had = tables_of(drain.engine, user_id)
    erase(drain, "Zoë")
    # Days are computed and no longer stale: their marks may have gone before.
    assert TABLES_OF_A_USER - had <= {"stale_days"}
    assert tables_of(drain.engine, user_id) == set()


def tables_of(engine: Engine, user_id: int) -> set[str]:
    with snapshot(engine) as session:
        return {
            name
            for name in TABLES_OF_A_USER
            if session.scalar(text(f"SELECT count(*) FROM {name} WHERE user_id = :id"), {"id": user_id})
        }


def test_an_export_has_only_the_dead_letters_of_the_user(drain: Drain) -> None:
    hers = payload(play(user="Zoë", time="yesterday"))
    others = payload(play(user="ada", time="yesterday", song=song(title="Zoë")))
    unreadable = b'{"user": "ada", "song": {"title": "Zo\\u00eb"'
    drain.stream.append([hers, others, unreadable])
    drain.run()
    exported = lines(drain.engine, "Zoë")
    assert len(exported) == 1 + len(HERS) + 1
    letter = json.loads(exported[-1])["dead_letter"]
    assert datetime.fromisoformat(letter.pop("kept_since")) <= datetime.now(UTC)
    assert letter == {"reason": "invalid_value", "detail": letter["detail"], "payload": hers.decode()}
    assert letter["detail"].startswith("time: ")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW) == Published(sent=len(HERS))


def test_the_export_of_an_always_refused_user_has_dead_letters(stream: EventStream, engine: Engine) -> None:
    stream.append([payload(play(user="Zoë"))])
    Drain(stream, engine, "test:1", create_users=False).run()
    (exported,) = lines(engine, "Zoë")
    assert json.loads(exported)["dead_letter"]["reason"] == "unknown_user"


@pytest.mark.parametrize("name", ["nobody", "zoë", "", " "])
def test_exporting_an_unknown_user_is_an_error(drain: Drain, name: str) -> None:
    drain.stream.append([payload(play(user="", time="yesterday"))])
    drain.run()
    with pytest.raises(UnknownUserError):
        lines(drain.engine, name)


@pytest.mark.parametrize(
    "line",
    [
        b'{"listener":{},"user":"ada"}',
        b'{"dead_letter":{},"user":"ada"}',
        b'{"listeners":{}}',
        b'["listener"]',
        b'{"listener":',
    ],
)
def test_a_line_that_only_resembles_an_export_line_is_bad(stream: EventStream, line: bytes) -> None:
    assert len(publish_lines(stream.append, iter([line]), now=NOW).bad) == 1


BARE = b'{"type":"preference","time":"2026-01-01T00:00:00Z","user":"Zo\xc3\xab","key":"k","value":"%s"}'


def filled(event: bytes) -> bytes:
    return event % (b"y" * (MAX_EVENT_BYTES - len(event) + 2))


@pytest.mark.parametrize(
    "largest",
    [
        pytest.param(filled(BARE), id="without v and id"),
        pytest.param(filled(BARE.replace(b":00Z", b":00.1Z")), id="at a tenth of a second"),
        pytest.param(filled(BARE[:-1] + b',"id":"' + event_id(8).encode() + b'"}'), id="without v"),
    ],
)
def test_an_event_of_the_largest_size_can_be_republished(drain: Drain, largest: bytes) -> None:
    assert len(largest) == MAX_EVENT_BYTES
    drain.stream.append([largest])
    drain.run()
    before, exported = oracle.actual(drain.engine), lines(drain.engine, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    assert drain.run().outcomes == {Outcome.DUPLICATE: 1 + len(HERS)}
    erase(drain, "Zoë")
    publish_lines(drain.stream.append, iter(exported), now=NOW)
    drain.run()
    assert oracle.actual(drain.engine) == before


def test_the_largest_event_of_a_wrong_clock_can_be_republished(drain: Drain) -> None:
    drain.stream.append([filled(BARE[:-1] + b',"id":"' + event_id(8).encode() + b'"}')])
    drain.run()
    with transaction(drain.engine) as session:
        session.execute(update(Preference).where(Preference.key == "k").values(reported_at=NOW))
    exported = lines(drain.engine, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []


def test_a_play_fits_despite_song_metadata_of_other_users(drain: Drain) -> None:
    """The largest texts there are, some from several events of others."""
    texts = {"title": "\1" * 499 + "t", "artist": "\1" * 499 + "a"}
    for name in "ab":
        ids = {f"{name}{n}": "🎧" * 200 for n in range(8)}
        drain.stream.append([payload(play(user=name, song=song(**texts, ids=ids)))])
    album, context = "\1" * 499 + "x", {"c": "c" * 4_000}
    drain.stream.append([payload(play(user="Zoë", song=song(**texts, album=album), context=context))])
    drain.run()
    exported = lines(drain.engine, "Zoë")
    largest = json.loads(max(exported, key=len))
    assert (largest["song"]["album"], largest["context"]) == (album, context)
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []


def test_large_floats_come_back(drain: Drain) -> None:
    """From jsonb they arrive as integers, which the contract refuses over 64 bits."""
    large = {
        "gain": 1e30,
        "more": [-1.5e300, 2.0**63, {"most": 1.7976931348623157e308}],
        "whole": [2**63 - 1, -(2**63)],
    }
    drain.stream.append([payload(play(id=event_id(70), user="Zoë", time="2021-05-01T00:00:00Z", context=large))])
    drain.stream.append([payload(preference(id=event_id(71), user="Zoë", key="large", value=large))])
    drain.run()
    before, exported = all_plays(drain.engine), lines(drain.engine, "Zoë")
    assert b"9223372036854775807,-9223372036854775808" in exported[-1]
    erase(drain, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    drain.run()
    assert all_plays(drain.engine) == before
    assert set(lines(drain.engine, "Zoë")[1:]) == set(exported[1:])


@pytest.fixture
def zik(drain: Drain, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(drain.engine, redis_url, monkeypatch, capfd)


def test_an_export_is_a_file_to_publish(zik: Zik, tmp_path: Path) -> None:
    answer = zik("export", "Zoë")
    assert (answer.code, answer.err) == (0, "")
    (tmp_path / "zoe.jsonl").write_text(answer.out)
    assert f"published {len(HERS)} events\n" in zik("publish", str(tmp_path / "zoe.jsonl")).out


def test_a_line_too_large_to_republish_is_exported_and_reported(zik: Zik, engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Preference).where(Preference.key == "free").values(value="quiet" * 4_000))
    whole = lines(engine, "Zoë")
    answer = zik("export", "Zoë")
    assert answer.code == 1
    assert answer.out.encode().splitlines() == whole
    number = next(number for number, line in enumerate(whole, start=1) if len(line) > MAX_EVENT_BYTES)
    assert b"quietquiet" in whole[number - 1]
    assert answer.err.startswith(f"zik: line {number} is written, but `zik publish` would refuse it: too_large: ")
    assert answer.err.count("\n") == 1
    assert "quiet" not in answer.err


def test_forgetting_a_user_leaves_only_the_rows_of_others(drain: Drain) -> None:
    others = all_plays(drain.engine)
    drain.stream.append(
        [
            payload(play(id=event_id(30), user="Zoë")),  # waits
            payload(play(user="Zoë", time="yesterday")),  # a dead letter that can be read
            b'{"user": "Zo\\u00eb", "type": "play", "time": ',  # one that cannot
            payload(play(user="ada", time="tomorrow")),  # another's
        ]
    )
    receipt = erase(drain, " Zoë ")
    assert receipt.username == "Zoë"
    assert receipt.erased["plays"] == 3
    assert receipt.erased["favorites"] == 2
    assert receipt.erased["preferences"] == 3
    assert receipt.erased["dead letters"] == 2
    assert receipt.erased["songs that nobody else has"] == 2
    assert anywhere(drain.engine, "Zoë") == []
    assert anywhere(drain.engine, "<b>&") == anywhere(drain.engine, "gone") == []
    assert anywhere(drain.engine, "00eb") == []
    assert [row for row in others if row[0] == "ada"] == all_plays(drain.engine)
    with snapshot(drain.engine) as session:
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 1
        assert session.scalar(select(func.count()).select_from(StaleChart)) == 0
    books = drain.stream.books()
    assert (books.waiting, books.unaccounted) == (0, 0)
    refresh(drain.engine, RULE)
    assert_exact(drain.engine)
    assert verify(drain.engine, RULE).exact


def test_forgetting_a_user_forgets_what_they_play_now(drain: Drain, redis_url: str, valkey: "redis.Redis") -> None:
    announce_song(redis_url, "Zoë")
    announce_song(redis_url, "ada")
    erase(drain, "Zoe\u0308")
    assert list(drain.stream.now_playing()) == ["ada"]
    assert drain.stream.now_playing_of("Zoë") is None
    assert valkey.exists(now_playing_key("Zoë")) == 0
    assert valkey.zrange(NOW_PLAYING, 0, -1) == [b"ada"]


def test_an_account_without_events_is_on_the_receipt(stream: EventStream, engine: Engine) -> None:
    with transaction(engine) as session:
        User(username="eve", email="eve@example.org").save(session)
    receipt = erase(Drain(stream, engine, "test:1"), "eve")
    assert {kind for kind, count in receipt.erased.items() if count} == {"account"}
    assert anywhere(engine, "eve") == []


def test_repeating_an_interrupted_forget_completes_it(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person is gone then, but what they heard stands in the charts for everyone."""
    refresh_charts(drain.engine, today=NOW.date(), closed=True)
    with monkeypatch.context() as patched:
        patched.setattr("worker.privacy.erasure.refresh_charts", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase(drain, "Zoë")
    assert ("Parabola", 2) in charted(drain.engine)
    with pytest.raises(UnknownUserError):
        erase(drain, "Zoë")
    assert charted(drain.engine) == {("Parabola", 1)}


def _interrupted(*_: object, **__: object) -> int:
    raise KeyboardInterrupt


def charted(engine: Engine) -> set[tuple[str | None, int]]:
    """The songs in the charts for everyone, with their numbers of listeners."""
    with snapshot(engine) as session:
        places = select(ChartPlace.title, ChartPlace.listeners).where(ChartPlace.subject == "song")
        return {(title, listeners) for title, listeners in session.execute(places)}


def test_a_hostile_name_is_escaped_once_in_the_question(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    answer = zik("forget", "'\x1b[2J")
    assert (answer.code, "''\\u001b[2J', for good?" in answer.out) == (1, True)


def test_an_always_refused_user_can_be_forgotten(stream: EventStream, engine: Engine) -> None:
    drain = Drain(stream, engine, "test:1", create_users=False)
    stream.append([payload(play(user="Zoë"))])
    assert erase(drain, "Zoë").erased["dead letters"] == 1
    assert anywhere(engine, "Zoë") == []


def test_forgetting_a_user_erases_their_malformed_events(
    drain: Drain, valkey: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    hers, others = payload(play(user="Zoë", song=song(title="quiet"))), payload(play(song=song(title="loud")))
    entries: list[dict[Any, Any]] = [
        {b"data": hers},
        {b"user": "Zoë".encode(), b"type": b"play", b"title": b"quiet"},
        {b"event": b"[" + hers + b"," + hers + b"]"},
        {b"event": json.dumps(hers.decode()).encode()},
        {b"event": b'{"body":' + hers + b"}"},
        {b"data": others},
        {b"event": b"[" + others + b"]"},
    ]
    for entry in entries:
        valkey.xadd("zik:{events}", entry)
    assert erase(drain, "Zoë").erased["dead letters"] == 5
    assert anywhere(drain.engine, "Zoë") == anywhere(drain.engine, "quiet") == []
    assert anywhere(drain.engine, "loud") == ["dead_letters"]
    assert "Zoë" not in caplog.text


def test_a_user_with_many_dead_letters_can_be_forgotten(drain: Drain) -> None:
    """More than fit as parameters into one statement of either database."""
    litter(drain.engine, 66_000, payload(play(user="Zoë", time="yesterday")))
    assert erase(drain, "Zoë").erased["dead letters"] == 66_000
    assert anywhere(drain.engine, "yesterday") == []


@pytest.mark.parametrize("nothing", ["", " "])
def test_forgetting_an_empty_name_is_an_error(drain: Drain, nothing: str) -> None:
    drain.stream.append([b'{"user": "", ""'])
    with pytest.raises(UnknownUserError):
        erase(drain, nothing)
    assert anywhere(drain.engine, '{"user": "", ""') == ["dead_letters"]


def test_forgetting_an_unknown_user_erases_nothing(drain: Drain) -> None:
    before = oracle.actual(drain.engine)
    with pytest.raises(UnknownUserError, match="Zoé"):
        erase(drain, "Zoé")
    assert oracle.actual(drain.engine) == before


def test_forgetting_fails_while_another_worker_holds_events(drain: Drain) -> None:
    drain.stream.append([payload(play(id=event_id(40), user="Zoë", time="2021-05-01T00:00:00Z"))])
    drain.stream.read_new("other:1", count=10, block_ms=0)
    with pytest.raises(ZikError, match="another worker holds events"):
        erase(drain, "Zoë", wait_s=0.5)
    assert "Zoë" in usernames(drain.engine)


def test_a_slow_backlog_does_not_make_forgetting_give_up(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds anything here: each look finds less, and none may be the last for being late."""
    monkeypatch.setattr("worker.privacy.erasure._LOOK_EVERY_S", 0.0)
    drain.batch_size = 2
    times = [f"2021-05-01T00:{minute:02}:00Z" for minute in range(9)]
    drain.stream.append([payload(play(id=event_id(60 + n), user="Zoë", time=at)) for n, at in enumerate(times)])
    assert erase(drain, "Zoë", wait_s=0.0).drained == len(times)
    assert "Zoë" not in usernames(drain.engine)


def usernames(engine: Engine) -> set[str]:
    with snapshot(engine) as session:
        return set(session.scalars(select(User.username)))


def test_a_worker_with_the_forgotten_user_cached_goes_on(drain: Drain) -> None:
    other = Drain(drain.stream, drain.engine, "other:1")
    drain.stream.append([payload(play(id=event_id(50), user="Zoë", time="2021-05-01T00:00:00Z"))])
    other.run()
    erase(drain, "Zoë")
    drain.stream.append([payload(play(id=event_id(51), user="Zoë", time="2021-05-02T00:00:00Z"))])
    assert dict(other.run().outcomes) == {"recorded": 1}
    assert [row[0] for row in all_plays(drain.engine)].count("Zoë") == 1


@pytest.fixture
def demo(drain: Drain) -> dict[str, Any]:
    """A song that only Zoë has."""
    demo: dict[str, Any] = song(title="demo")
    drain.stream.append([payload(play(id=event_id(80), user="Zoë", song=demo))])
    drain.run()
    return demo


@pytest.mark.parametrize("listener", ["ada", "Zoë"])
def test_a_worker_with_an_erased_song_cached_records_it_again(
    drain: Drain, demo: dict[str, Any], listener: str
) -> None:
    events = [play(user=listener, song=demo), favorite(user=listener, song=demo), play(user="ada", song=song())]
    erase(Drain(drain.stream, drain.engine, "test:2"), "Zoë")
    assert anywhere(drain.engine, "demo") == []
    assert any("demo" in name for name in drain.known.songs)
    times = [f"2021-06-0{day}T00:00:00Z" for day in range(1, 4)]
    drain.stream.append([payload(event | {"id": event_id(82 + n), "time": times[n]}) for n, event in enumerate(events)])
    assert drain.run().outcomes == {Outcome.RECORDED: 3}
    assert anywhere(drain.engine, "demo") == ["songs"]


@pytest.mark.parametrize("event", [play, favorite])
def test_a_song_that_another_user_has_stays(drain: Drain, demo: dict[str, Any], event: Any) -> None:
    drain.stream.append([payload(event(id=event_id(81), user="ada", song=demo))])
    assert erase(drain, "Zoë").erased["songs that nobody else has"] == 2
    assert anywhere(drain.engine, "demo") == ["songs"]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_play_that_is_being_recorded_keeps_its_song(
    drain: Drain, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder holds the song and will want the user: waiting for one while holding the other would deadlock."""
    with ExitStack() as recorder:
        connection = recorder.enter_context(transaction(drain.engine)).connection()
        record_batch(connection, accepted(play(id=event_id(90), user="ada", song=demo)), known=Known())

        def finish(_s: float) -> None:
            record_batch(connection, accepted(play(id=event_id(91), user="Zoë", song=song())), known=Known())
            recorder.close()

        monkeypatch.setattr("worker.privacy.erasure._WHILE_LOCKED", _WHILE_LOCKED.copy(sleep=finish))
        erased = erase(Drain(drain.stream, drain.engine, "test:2"), "Zoë").erased
    assert (erased["plays"], erased["songs that nobody else has"]) == (4, 2)
    assert usernames(drain.engine) == {"ada"}
    assert event_id(90) in {str(row[1]) for row in all_plays(drain.engine)}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_song_locked_for_too_long_stops_the_erasure(
    drain: Drain, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.privacy.erasure._WHILE_LOCKED", _WHILE_LOCKED.copy(stop=stop_after_attempt(2)))
    with transaction(drain.engine) as session:
        session.execute(update(Song).where(Song.title == demo["title"]).values(album="held"))
        with pytest.raises(ZikError, match=r"nothing was erased\. Retry"):
            erase(Drain(drain.stream, drain.engine, "test:2"), "Zoë")
    assert "Zoë" in usernames(drain.engine)


def test_a_play_after_the_songs_were_chosen_keeps_its_song(
    drain: Drain, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL chooses by what stood when the statement began, and locks after that."""

    def chosen_too_early(connection: Connection, user_id: int | None) -> list[dict[str, int]]:
        songs = _lock_songs(connection, user_id)
        record_batch(connection, accepted(play(id=event_id(92), user="ada", song=demo)), known=Known())
        return songs

    monkeypatch.setattr("worker.privacy.erasure._lock_songs", chosen_too_early)
    assert erase(drain, "Zoë").erased["songs that nobody else has"] == 2
    assert event_id(92) in {str(row[1]) for row in all_plays(drain.engine)}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_forgetting_two_users_at_once_leaves_no_song(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = threading.Barrier(2, timeout=1)

    def together(connection: Connection, user_id: int | None) -> list[dict[str, int]]:
        songs = _lock_songs(connection, user_id)
        with suppress(threading.BrokenBarrierError):
            barrier.wait()
        return songs

    monkeypatch.setattr("worker.privacy.erasure._lock_songs", together)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: _delete(drain.engine, name), ["Zoë", "ada"]))
    assert anywhere(drain.engine, "Parabola") == []


def test_a_user_with_many_songs_can_be_forgotten(drain: Drain) -> None:
    """More than fit as parameters into one statement of either database."""
    like_songs(drain.engine, "Zoë", 66_000)
    assert erase(drain, "Zoë").erased["songs that nobody else has"] == 66_000 + 2
    with snapshot(drain.engine) as session:
        assert session.scalars(select(Song.title)).all() == ["Parabola"]


def like_songs(engine: Engine, name: str, number: int) -> None:
    """So many songs more that are favorites as one of the user's is, without an event for each."""
    new_uuid = "gen_random_uuid()" if engine.dialect.name == "postgresql" else "lower(hex(randomblob(16)))"
    songs = f"""
        INSERT INTO songs (identity, artist_identity, title, artist)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
        SELECT {new_uuid}, {new_uuid}, 'song ' || i, 'Tool' FROM n
    """
    favorites = """
        INSERT INTO favorites (user_id, song_id, said_at, event_id, is_favorite)
        SELECT f.user_id, s.id, f.said_at, f.event_id, f.is_favorite FROM songs s CROSS JOIN
            (SELECT * FROM favorites WHERE user_id = (SELECT id FROM app_users WHERE username = :name) LIMIT 1) f
         WHERE s.title LIKE 'song %'
    """
    with transaction(engine) as session:
        session.execute(text(songs), {"number": number})
        session.execute(text(favorites), {"name": name})


def test_lines_can_be_read_from_a_file(drain: Drain) -> None:
    file = io.BytesIO(b"\n".join(lines(drain.engine, "Zoë")))
    assert publish_lines(drain.stream.append, iter(file), now=NOW).sent == len(HERS)


def corrected(drain: Drain) -> int:
    """Delete Zoë's first play, edit her second, and return her id."""
    with snapshot(drain.engine) as session:
        user_id = session.scalars(select(User.id).where(User.username == "Zoë")).one()
    assert corrections.delete(drain.engine, user_id, [UUID(event_id(1))]) == 1
    assert corrections.edit(drain.engine, user_id, UUID(event_id(2)), Changes(title="renamed"), now=NOW)
    return user_id


def test_an_export_has_corrected_plays_as_they_were(drain: Drain) -> None:
    corrected(drain)
    exported = [json.loads(line) for line in lines(drain.engine, "Zoë")]
    assert sum(line.get("type") == "play" for line in exported) == 1
    edited, deleted = (line["corrected_play"] for line in exported if list(line) == ["corrected_play"])
    for was, correction, told in ((deleted, "deleted", FULL), (edited, "edited", HERS[1])):
        assert datetime.fromisoformat(was.pop("corrected_at")) <= datetime.now(UTC)
        assert was.pop("correction") == correction
        assert {"user": "Zoë", **was}.items() >= {**told, "song": was["song"]}.items()
        assert was["song"].items() >= told["song"].items()


def test_publishing_an_export_of_corrected_plays_changes_nothing(drain: Drain) -> None:
    corrected(drain)
    before, exported = oracle.actual(drain.engine), lines(drain.engine, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    drain.run()
    assert oracle.actual(drain.engine) == before
    erase(drain, "Zoë")
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    drain.run()
    assert oracle.actual(drain.engine) == before


def test_corrected_plays_are_erased_with_their_user(drain: Drain) -> None:
    corrected(drain)
    assert anywhere(drain.engine, HERS[1]["song"]["title"])
    receipt = erase(drain, "Zoë")
    assert receipt.erased["corrections of plays"] == 2
    assert anywhere(drain.engine, HERS[1]["song"]["title"]) == []
    with snapshot(drain.engine) as session:
        assert session.scalar(select(func.count()).select_from(CorrectedPlay)) == 0


def test_a_song_that_another_user_has_deleted_a_play_of_stays(drain: Drain) -> None:
    """Otherwise that play could not be restored."""
    user_id = corrected(drain)
    drain.stream.append([payload(play(id=event_id(30), user="eve", song=song(title="renamed", artist="Tool")))])
    drain.run()
    erase(drain, "eve")
    assert corrections.restore(drain.engine, user_id, [UUID(event_id(1)), UUID(event_id(2))]).restored == 2
    assert corrections.delete(drain.engine, user_id, [UUID(event_id(2))]) == 1
    drain.stream.append([payload(HERS[1] | {"user": "eve", "id": event_id(31)})])
    drain.run()
    erase(drain, "eve")
    assert corrections.restore(drain.engine, user_id, [UUID(event_id(2))]).restored == 1


def test_what_is_left_out_of_statistics_is_exported_and_erased(drain: Drain) -> None:
    with snapshot(drain.engine) as session:
        user_id = session.scalars(select(User.id).where(User.username == "Zoë")).one()
        artist, title = session.execute(select(Song.artist, Song.title).limit(1)).one()
    leave_out(drain.engine, user_id, artist)
    leave_out(drain.engine, user_id, artist, title)
    exported = lines(drain.engine, "Zoë")
    by_artist, by_song = (json.loads(line)["left_out"] for line in exported if b'"left_out"' in line)
    assert (by_artist.keys(), by_artist["artist"]) == ({"artist", "since"}, artist)
    assert (by_song["artist"], by_song["title"]) == (artist, title)
    assert publish_lines(drain.stream.append, iter(exported), now=NOW).bad == []
    drain.run()
    receipt = erase(drain, "Zoë")
    assert receipt.erased["left out of statistics"] == 2
    assert "left_out" not in anywhere(drain.engine, artist)
