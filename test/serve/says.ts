import { expect } from 'vitest';

/** Stands for any text that has this in it, where an object is compared. */
export function says(what: string | RegExp): unknown {
  return typeof what === 'string' ? expect.stringContaining(what) : expect.stringMatching(what);
}
