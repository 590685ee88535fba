// Leaves atomic regions in several ways, and prints for each way what the host sees.

import { atomically, jump, oplogIndex } from "./golem.mjs";
import { log, openRegions, reset } from "./host.mjs";

const fail = () => {
  throw new Error("no answer");
};

const cases = {
  returns() {
    log.push(
      atomically(() => {
        log.push("work");
        return "value";
      }),
    );
  },

  fails() {
    try {
      atomically(fail);
    } catch (error) {
      log.push(`caught ${error.message}`);
    }
  },

  fails_inside() {
    atomically(() => {
      try {
        atomically(fail);
      } catch (error) {
        log.push(`caught ${error.message}`);
      }
    });
  },

  fails_through_both() {
    try {
      atomically(() => atomically(fail));
    } catch (error) {
      log.push(`caught ${error.message}`);
    }
  },

  async concurrent() {
    let start;
    const started = new Promise((resolve) => (start = resolve));
    const work = (name, after) =>
      atomically(async () => {
        await after;
        log.push(`leave ${name}`);
      });
    const first = work("first", started);
    const second = work("second", first);
    start();
    await Promise.all([first, second]);
  },

  async fails_later() {
    try {
      await atomically(async () => {
        await null;
        fail();
      });
    } catch (error) {
      log.push(`caught ${error.message}`);
    }
  },

  jumps() {
    const before = oplogIndex();
    try {
      atomically(fail);
    } catch {
      jump(before);
      log.push("the host does not return from a jump");
    }
  },
};

for (const [name, run] of Object.entries(cases)) {
  reset();
  await run();
  if (openRegions.length > 0) throw new Error(`${name} leaves ${openRegions} open`);
  console.log(`${name}: ${log.join(", ")}`);
}
