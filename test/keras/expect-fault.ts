import { expect } from 'vitest';
import { type ErrorCode, ToolkitError } from '../../src/errors.ts';
import { type OpenKerasOptions, openKeras } from '../../src/keras/open.ts';

/** Opens what must fail, and gives the error after a look at its code. */
export async function openFault(
  path: string,
  code: ErrorCode,
  options?: OpenKerasOptions,
): Promise<ToolkitError> {
  const error: unknown = await openKeras(path, options).then(
    (model) => {
      model.close();
      return undefined;
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof ToolkitError)) {
    throw new Error(`${path} was not refused with ${code}`, { cause: error });
  }
  expect(error.code, error.message).toBe(code);
  return error;
}

/** The code of the error that `work` throws; fails where it throws none of ours. */
export function fault(work: () => unknown): ErrorCode {
  try {
    work();
  } catch (error) {
    if (error instanceof ToolkitError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}
