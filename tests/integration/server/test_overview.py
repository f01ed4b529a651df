"""The overview: what it shows of streams and runs, and to whom."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import requests
from PIL import Image
from tests.integration.overview_server import Serving, serving
from tests.integration.server.conftest import CHUNK_SIZE, HEIGHT, WIDTH, Client
from tests.unit.run_report.test_page import HOSTILE

from rheed_acquire import BucketPath, RHEEDStreamer
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.recording.growth_notes import encode_growth
from rheed_acquire.regions.growth_watch import RegionGrowth


@pytest.fixture(params=["folder", "bucket"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    bucket: BucketPath | None = None if request.param == "folder" else request.getfixturevalue("bucket")
    with serving(tmp_path / "runs" if bucket is None else bucket) as server:
        yield server


def get(server: Serving, path: str, key: str | None = None) -> requests.Response:
    auth = ("anybody", server.read_key if key is None else key)
    return requests.get(server.endpoint + path, auth=auth, timeout=60)


class Shown(HTMLParser):
    """A page's elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_streamed_now_is_shown_with_its_newest_picture_and_a_run_of_the_past_with_its_report(
    server: Serving,
) -> None:
    with server.client() as client:
        data_id = client.create(data_item_name="Growth 42")
        assert "No frame yet" in get(server, "/").text
        client.upload(data_id, 0, client.make_frames(CHUNK_SIZE))
        client.upload(data_id, 2, client.make_frames(CHUNK_SIZE))
        if hasattr(server.streams, "settle"):
            server.streams.settle()
        (stream,) = server.streams.open_streams()
        picture = get(server, f"/overview/runs/{stream.folder}/newest.jpg")
        with Image.open(io.BytesIO(picture.content)) as image:
            assert (image.format, image.size) == ("JPEG", (WIDTH, HEIGHT))
        assert client.end(data_id).status_code == 200
    (line,) = server.audit.lines()
    assert (line["name"], line["frames"], line["chunks_missing"]) == ("Growth 42", 2 * CHUNK_SIZE, 1)
    report = get(server, f"/overview/runs/{stream.folder}/report")
    assert report.status_code == 200
    assert "Growth 42" in report.text
    assert report.headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")


def told(region: str, period_s: float) -> str:
    return json.dumps([{"region": region, "period_s": period_s, "uncertainty_s": 0.05}])


def presign(client: Client, data_id: str, index: int, growth: str, ago_s: float = 0.0) -> None:
    start_ms = round((time.time() - ago_s) * 1000)
    times = {"start_unix_ms_utc": str(start_ms), "end_unix_ms_utc": str(start_ms + 2000)}
    answer = client.presign(data_id, index, f"{CHUNK_SIZE},6,8", body=times | {"growth": growth})
    assert answer.status_code == 200, answer.text
    assert answer.json()[0]["growth"] == "taken"


def test_how_fast_it_grows_is_shown_where_the_station_tells_of_it_just_now(server: Serving) -> None:
    with server.client() as client:
        for name, region, ago_s in (("One", "specular", 0), ("Two", "<b>spot</b>", 0), ("Late", "old", 600)):
            data_id = client.create(data_item_name=name)
            presign(client, data_id, 0, told(region, 5.0), ago_s)
        text = get(server, "/overview/open").text
    assert "specular 0.2000 ± 0.0020 ML/s" in text
    assert "&lt;b&gt;spot&lt;/b&gt; 0.2000 ± 0.0020 ML/s" in text
    assert "old" not in text


@pytest.mark.parametrize("growth", ["", "x", "[1]", "{}", "[" * 5000, told("a", -1.0), told("a" * 99, 1.0)])
def test_nonsense_about_the_growth_costs_no_chunk_and_shows_nothing(tmp_path: Path, growth: str) -> None:
    with serving(tmp_path) as server, server.client() as client:
        data_id = client.create()
        presign(client, data_id, 0, growth)
        client.upload(data_id, 0, client.make_frames(CHUNK_SIZE))
        assert "growth rate" not in get(server, "/overview/open").text
        assert client.end(data_id).status_code == 200


def test_a_streamer_brings_what_regions_say_to_servers_that_take_it(tmp_path: Path) -> None:
    with serving(tmp_path) as server, RHEEDStreamer(server.stream_key, server.endpoint) as streamer:
        data_id = streamer.initialize(fps=2.0, rotations_per_min=0.0, chunk_size=CHUNK_SIZE)
        stamps = np.full(CHUNK_SIZE, -1, np.int64)
        for index in range(2):  # the first answer says that the server takes it
            frames = np.zeros((CHUNK_SIZE, HEIGHT, WIDTH), np.uint8)
            growth = encode_growth([RegionGrowth(region="specular", period_s=4.0, uncertainty_s=0.04)])
            chunk = Chunk(index, frames, stamps, stamps, stamps + time.perf_counter_ns(), growth=growth)
            streamer.push_chunk(data_id, chunk)
            while streamer.status(data_id).chunks_uploaded <= index:
                time.sleep(0.01)
        assert "specular 0.2500 ± 0.0025 ML/s" in get(server, "/overview/open").text
        streamer.finalize(data_id)


def test_runs_are_found_by_name_sample_date_and_key(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.client() as client:
        sample = client.post("/physical_samples/", {"name": "Wafer 7"}).json()["physical_sample_id"]
        for name in ("GaN one", "GaN two", "Other"):
            data_id = client.create(data_item_name=name)
            if name == "GaN two":
                link = {"data_ids": [data_id], "physical_sample_id": sample}
                client.post("/data_entries/physical_sample", link)
            assert client.end(data_id).status_code == 200
        (tmp_path / "2026-01-02-030405-copied-from-elsewhere-0badcafe").mkdir()
        ended = str(server.audit.lines()[0]["ended_utc"])[:10]
        for searched, expected in {
            "": {"GaN one", "GaN two", "Other", "copied-from-elsewhere"},
            "gan": {"GaN one", "GaN two"},
            "wafer": {"GaN two"},
            "gan 7": {"GaN two"},
            f"{ended} chamber-1 other": {"Other"},
            "2026-01-02": {"copied-from-elsewhere"},
            "nothing such": set(),
        }.items():
            text = get(server, f"/?q={searched}").text
            names = {"GaN one", "GaN two", "Other", "copied-from-elsewhere"}
            assert {name for name in names if name in text} == expected


def test_only_keys_that_may_read_are_shown_anything_and_a_browser_asks_for_one(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.client() as client:
        data_id = client.create(data_item_name="Secret growth")
        client.upload(data_id, 0, client.make_frames(CHUNK_SIZE))
        (stream,) = server.streams.open_streams()
        folder = f"/overview/runs/{stream.folder}"
        pages = (
            "/",
            "/overview/open",
            f"{folder}/newest.jpg",
            f"{folder}/report",
            "/overview/overview.js",
            "/metrics",
        )
        for page in pages:
            nobody = requests.get(server.endpoint + page, timeout=60)
            streams_only = client.get(page)
            wrong = get(server, page, "wrong")
            by_browser = get(server, page, server.stream_key)
            assert [one.status_code for one in (nobody, streams_only, wrong, by_browser)] == [
                401,
                403,
                401,
                401,
            ]
            for refused in (nobody, wrong, by_browser):
                assert refused.headers["WWW-Authenticate"].startswith("Basic ")
            for refused in (nobody, streams_only, wrong, by_browser):
                assert "Secret growth" not in refused.text
                assert server.stream_key not in refused.text
            assert get(server, page).status_code == 200
        for path in ("/", "/overview/open"):
            assert (
                requests.post(server.endpoint + path, auth=("x", server.read_key), timeout=60).status_code
                == 405
            )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/rheed/stream/"),
        ("POST", "/rheed/stream/00000000-0000-0000-0000-000000000000/end"),
        ("POST", "/physical_samples/"),
        ("POST", "/tags/"),
        ("POST", "/data_entries/physical_sample"),
        ("POST", "/tags/data-items/"),
        ("POST", "/projects/p/configuration/tracking_samples"),
        ("POST", "/data_entries/raw_data/staged/upload_urls/"),
        ("GET", "/tags/"),
    ],
)
def test_a_browser_that_keeps_a_key_can_be_made_to_change_nothing_by_it(
    tmp_path: Path, method: str, path: str
) -> None:
    """It shows the key by itself, also with the form of another site's page."""
    with serving(tmp_path / "runs") as server:

        def asked(**shown: Any) -> int:
            body = b'{"name": "of another site"}'
            return requests.request(
                method, server.endpoint + path, data=body, timeout=60, **shown
            ).status_code

        form = {"Content-Type": "text/plain", "Origin": "https://elsewhere.example"}
        assert asked(auth=("x", server.stream_key), headers=form) == 401
        for shown in ({"X-API-KEY": server.stream_key}, {"Authorization": f"Bearer {server.stream_key}"}):
            assert asked(headers=shown) not in (401, 403)


@pytest.mark.parametrize(
    "run", ["..", ".server", "%2e%2e", "..%2f..", "%2e%2e%2fsecret", "a%00b", "no-such-run", "%5c"]
)
def test_nothing_but_runs_of_the_place_can_be_asked_for(tmp_path: Path, run: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/report.html").write_text("not for you", encoding="utf-8")
    with serving(tmp_path / "runs") as server:
        (tmp_path / "runs/.server/report.html").write_text("not for you", encoding="utf-8")
        for what in ("report", "newest.jpg"):
            answer = get(server, f"/overview/runs/{run}/{what}")
            assert answer.status_code in (400, 404)
            assert "not for you" not in answer.text
        assert get(server, "/overview/overview.html").status_code == 404


def test_names_are_text_and_change_no_element_of_the_page(tmp_path: Path) -> None:
    def shown(folder: str, name: str) -> list[Shown]:
        with serving(tmp_path / folder) as server, server.client() as client:
            sample = client.post("/physical_samples/", {"name": name}).json()["physical_sample_id"]
            for is_ended in (True, False):
                data_id = client.create(data_item_name=name)
                client.post(
                    "/data_entries/physical_sample", {"data_ids": [data_id], "physical_sample_id": sample}
                )
                if is_ended:
                    client.end(data_id)
            pages = [get(server, path) for path in ("/", "/overview/open", "/?q=" + quote(name))]
            for page in pages:
                assert "script-src 'self'" in page.headers["Content-Security-Policy"]
                assert "unsafe" not in page.headers["Content-Security-Policy"]
            return [Shown(page.text) for page in pages]

    ordinary = shown("ordinary", "growth")
    for number, name in enumerate(one for one in HOSTILE if "\0" not in one):
        for one, other in zip(shown(str(number), name), ordinary, strict=True):
            assert one.elements == other.elements
            assert one.attributes == other.attributes
            assert {link.partition("runs/")[0] for link in one.links} == {
                link.partition("runs/")[0] for link in other.links
            }


def test_a_long_list_has_pages(tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"2026-01-01-000000-run-{number:03}-0badcafe").mkdir()
    with serving(tmp_path) as server:
        first, last = get(server, "/"), get(server, "/?page=2")
        assert first.text.count('scope="row"') == 100
        assert last.text.count('scope="row"') == 50
        assert "1 to 100 of 250" in first.text
        assert "201 to 250 of 250" in last.text
        for odd in ("-1", "99", "x", "1e3", "9" * 50, "²"):
            assert get(server, f"/?page={odd}").status_code == 200
