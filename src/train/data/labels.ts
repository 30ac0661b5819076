import { ToolkitError } from '../../errors.ts';
import type { NumpyArray } from './npy.ts';

/** Numbers that targets may have in all: 4 GiB of them. */
const most = 2 ** 30;

/** Whether targets of classes have one number a sample, [n] or [n, 1], in whatever type: class numbers. */
export function isLabels({ shape }: Pick<NumpyArray, 'shape'>): boolean {
  return shape.length === 1 || (shape.length === 2 && shape[1] === 1);
}

/** Class numbers must be whole, from 0 on, and below `classes`. Throws OPTION_INVALID, DATASET_CLASSES. */
export function checkLabels(
  { data }: Pick<NumpyArray, 'data'>,
  classes: number,
  file: string,
): void {
  const row = data.findIndex((label) => !Number.isInteger(label) || label < 0);
  const found = row < 0 ? 0 : (data[row] ?? 0);
  if (row >= 0) {
    const kind = Number.isInteger(found) ? 'is below 0' : 'is a fraction';
    throw noLabels(`Row ${row} should be the number of a class, but ${found} ${kind}`, file);
  }
  if (data.length * classes > most) {
    throw noLabels(
      `${data.length} samples of ${classes} classes, by the largest number, are too many`,
      file,
    );
  }
  const beyond = data.find((label) => label >= classes);
  if (beyond === undefined) return;
  throw new ToolkitError('DATASET_CLASSES', `Class ${beyond} is none of 0 to ${classes - 1}`, {
    where: { file },
    hint: 'Every class needs samples to learn from.',
  });
}

/** There is nothing to learn where all samples are of one class. Throws DATASET_CLASSES. */
export function checkSeveral(
  { targets, count }: { readonly targets: ArrayLike<number | bigint>; readonly count: number },
  file: string,
): void {
  const width = targets.length / count;
  const isSame = Array.prototype.every.call(
    targets,
    (target: unknown, i) => target === targets[i % width],
  );
  if (!isSame) return;
  throw new ToolkitError(
    'DATASET_CLASSES',
    `Two classes or more are needed, but all ${count} training samples have the same target`,
    {
      where: { file },
      hint: 'Give samples of every class; --split takes the last ones for validation, so mix the rows before.',
    },
  );
}

function noLabels(what: string, file: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', what, {
    where: { file },
    hint: 'Numbers that are to be predicted, such as fractions, need --task regression (task: "regression").',
  });
}
