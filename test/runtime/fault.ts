import { expect } from 'vitest';
import { type ErrorCode, ToolkitError } from '../../src/errors.ts';

/** What an error must say: its code, the file it names, and a part of its text. */
export interface ExpectedFault {
  readonly code: ErrorCode;
  readonly file?: string | undefined;
  readonly says?: string;
}

/** Fails unless the promise is rejected with such a ToolkitError; gives the error. */
export async function expectFault(
  promise: Promise<unknown>,
  { code, file, says }: ExpectedFault,
): Promise<ToolkitError> {
  const fault: unknown = await promise.then(
    () => 'it did not fail',
    (rejection: unknown) => rejection,
  );
  if (!(fault instanceof ToolkitError)) throw new Error(`Not a ToolkitError: ${String(fault)}`);
  expect(fault.code).toBe(code);
  if (file !== undefined) expect(fault.where.file).toBe(file);
  if (says !== undefined) expect(fault.message).toContain(says);
  return fault;
}
