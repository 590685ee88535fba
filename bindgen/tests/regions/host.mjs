// The imports of golem.js: the regions as the host has them, and names without a meaning.

export const log = [];
export const openRegions = [];
let begun = 0;

export function reset() {
  log.length = 0;
  begun = 0;
}

export function begin() {
  begun += 1;
  openRegions.push(begun);
  log.push(`begin ${begun}`);
  return begun;
}

// The end of a region ends the regions inside it, and a region that is not open is an error.
export function end(region) {
  const at = openRegions.indexOf(region);
  if (at < 0) throw new Error(`${region} is not open`);
  openRegions.length = at;
  log.push(`end ${region}`);
}

export const get = () => 5n;
export const jump = (to) => log.push(`jump ${to}`);

const none = undefined;
export {
  none as golemAwaitPromise,
  none as golemCompletePromise,
  none as golemCreatePromise,
  none as golemDeletePromise,
  none as increment,
  none as next,
  none as open,
};
