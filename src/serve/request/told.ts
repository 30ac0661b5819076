import { ToolkitError } from '../../errors.ts';
import type { RefusalCode, RefusalEvent } from './events.ts';

/** Faults that an event has told of already: a call is told of once. */
const told = new WeakSet<object>();

/** Says that an event has told of a fault; what answers it shall not tell of it again. */
export function markTold(fault: unknown): void {
  if (typeof fault === 'object' && fault !== null) told.add(fault);
}

/** Tells of a call that a fault ended, unless it was told of as a request to a model. */
export function tellRefusal(
  fault: unknown,
  about: Omit<RefusalEvent, 'code'>,
  tell: (event: RefusalEvent) => void,
): void {
  if (typeof fault === 'object' && fault !== null && told.has(fault)) return;
  tell({ ...about, code: codeOf(fault) });
}

function codeOf(fault: unknown): RefusalCode {
  return fault instanceof ToolkitError ? fault.code : 'SERVER_FAILED';
}
