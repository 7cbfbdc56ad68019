"""log: what a container wrote, from its log files; also what it goes on to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from nodeguard.api.status import bad_request, internal_error
from nodeguard.api.stream.log_file import LogFiles
from nodeguard.api.stream.log_option import LogOptions, read_log_options
from nodeguard.api.stream.log_text import LogText
from nodeguard.api.stream.pod import Json, PodSource, choose_container, get_pod, is_running, logged_container_id

POLL_SECONDS = 0.1
"""How often a log that is followed is looked at: five microseconds each."""


async def serve_log(pods: PodSource, request: Request, now: float) -> StreamingResponse:
    """The log as plain text.

    Raises:
        ApiError: there is no such pod, container or log, or an option makes no sense.
    """
    path = request.path_params
    options = read_log_options(request.query_params, path["name"], now)
    pod = get_pod(pods, path["namespace"], path["name"])
    container = choose_container(pod, options.container)
    container_id = logged_container_id(pod, container, previous=options.previous)
    files = _files(pods, pod, container, container_id)
    try:
        await asyncio.to_thread(files.open, options.tail_lines)
    except FileNotFoundError as e:
        raise bad_request(f'the log of container "{container}" in pod "{path["name"]}" is not there any more') from e
    except OSError as e:
        raise internal_error(f"cannot read the log: {e.strerror}") from e
    text = _text(pods, pod, container, container_id, files, options)
    return StreamingResponse(text, media_type="text/plain")


def _files(pods: PodSource, pod: Json, container: str, container_id: str) -> LogFiles:
    """The files of one container; the number of the container is the end of its id."""
    meta = pod["metadata"]
    directory = f"{meta['namespace']}_{meta['name']}_{meta['uid']}/{container}"
    attempt = container_id.rpartition("_")[2]
    if not (attempt.isascii() and attempt.isdigit()):
        raise bad_request(f'container "{container}" in pod "{meta["name"]}" has no log')
    return LogFiles(pods.log_dir, directory, int(attempt))


async def _text(
    pods: PodSource, pod: Json, container: str, container_id: str, files: LogFiles, options: LogOptions
) -> AsyncIterator[bytes]:
    meta, text = pod["metadata"], LogText(options)
    is_over = not options.follow
    try:
        while not text.is_full:
            entries = await asyncio.to_thread(files.read)
            if entries:
                if piece := text.feed(entries):
                    yield piece
                continue
            if is_over:
                return
            while not files.has_news() and not is_over:
                await asyncio.sleep(POLL_SECONDS)
                seen = pods.find(meta["namespace"], meta["name"])
                is_over = not is_running(seen, meta["uid"], container, container_id)
    finally:
        files.close()
