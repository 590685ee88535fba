"""An exception leaves an atomic region, and the worker continues."""

import time

import wit_world.exports
from golem import Bucket, atomically


class Api(wit_world.exports.Api):
    def caught(self, key: str, pause_ms: int) -> str:
        text = ""
        try:
            with atomically():
                raise TimeoutError("the service did not answer")
        except TimeoutError as error:
            text = str(error)
        # Outside of any region: each of these happens once, whatever crashes.
        Bucket("regions").increment(key)
        time.sleep(pause_ms / 1000)
        Bucket("regions").increment(key)
        return text

    def count(self, key: str) -> int:
        return int(Bucket("regions").get(key) or b"0")
