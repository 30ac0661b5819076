import { ToolkitError } from '../errors.ts';
import type { FileRange } from '../files/file-range.ts';

/** Turns HDF5's errors, which are stacks of C frames, into FILE_UNREADABLE with the innermost reason. */
export function guard<T>(range: FileRange, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ToolkitError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    const reasons = [...text.matchAll(/in (\w+)\(\): (.+)/g)];
    const reason = reasons.at(-1)?.[2] ?? text.split('\n')[0];
    throw new ToolkitError('FILE_UNREADABLE', `HDF5 cannot read this: ${reason}`, {
      where: { file: range.file, path },
      hint: 'The file is damaged: fetch or save it again.',
      cause: error,
    });
  }
}
