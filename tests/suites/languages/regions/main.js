// An exception leaves an atomic region, and the worker continues.

import { Bucket, atomically, decode } from "../gen/golem.js";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const api = {
  async caught(key, pauseMs) {
    let text = "";
    try {
      // Leaves the region late, so that it must not end before the action has.
      await atomically(async () => {
        await pause(1);
        throw new Error("the service did not answer");
      });
    } catch (error) {
      text = error.message;
    }
    // Outside of any region: each of these happens once, whatever crashes.
    new Bucket("regions").increment(key);
    await pause(pauseMs);
    new Bucket("regions").increment(key);
    return text;
  },

  count(key) {
    const value = new Bucket("regions").get(key);
    return value === undefined ? 0n : BigInt(decode(value));
  },
};
