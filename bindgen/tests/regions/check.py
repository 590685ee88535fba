"""Leaves atomic regions in several ways, and prints for each way what the host sees."""

import asyncio
import sys
import types

log = []
open_regions = []
begun = 0


def begin():
    global begun
    begun += 1
    open_regions.append(begun)
    log.append(f"begin {begun}")
    return begun


def end(region):
    # As the host does: the end of a region ends the regions inside it, and a region that is not open is an error.
    assert region in open_regions, f"{region} is not open"
    del open_regions[open_regions.index(region) :]
    log.append(f"end {region}")


names = ["atomics", "host", "keys", "logging", "store", "worker"]
imports = types.SimpleNamespace(**{name: types.SimpleNamespace() for name in names})
imports.host.PromiseId = imports.host.WorkerId = imports.logging.Level = object
imports.region = types.SimpleNamespace(begin=begin, end=end)
imports.position = types.SimpleNamespace(get=lambda: 5, jump=lambda to: log.append(f"jump {to}"))
sys.modules["wit_world"] = types.SimpleNamespace(imports=imports)
sys.modules["wit_world.imports"] = imports

from golem import atomically, jump, oplog_index  # noqa: E402


def returns():
    def work():
        with atomically():
            log.append("work")
            return "value"

    log.append(work())


def fails():
    try:
        with atomically():
            raise TimeoutError("no answer")
    except TimeoutError as error:
        log.append(f"caught {error}")


def fails_inside():
    with atomically():
        try:
            with atomically():
                raise TimeoutError("no answer")
        except TimeoutError as error:
            log.append(f"caught {error}")


def fails_through_both():
    try:
        with atomically(), atomically():
            raise TimeoutError("no answer")
    except TimeoutError as error:
        log.append(f"caught {error}")


def concurrent():
    async def work(name, wait_for, then):
        with atomically():
            await wait_for.wait()
            log.append(f"leave {name}")
        then.set()

    async def both():
        start, first, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(work("first", start, first)), asyncio.create_task(work("second", first, second))]
        await asyncio.sleep(0)
        start.set()
        await asyncio.gather(*tasks)

    asyncio.run(both())


def fails_later():
    async def work():
        with atomically():
            await asyncio.sleep(0)
            raise TimeoutError("no answer")

    try:
        asyncio.run(work())
    except TimeoutError as error:
        log.append(f"caught {error}")


def jumps():
    before = oplog_index()
    try:
        with atomically():
            raise TimeoutError("no answer")
    except TimeoutError:
        try:
            jump(before)
        except RuntimeError as error:
            log.append(str(error))


for case in [returns, fails, fails_inside, fails_through_both, concurrent, fails_later, jumps]:
    log.clear()
    begun = 0
    case()
    assert not open_regions, f"{case.__name__} leaves {open_regions} open"
    print(f"{case.__name__}: {', '.join(log)}")
