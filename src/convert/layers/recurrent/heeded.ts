import type { Arguments } from '../../arguments.ts';
import type { Bench } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';
import { forgetsMaskWithStates } from '../../origin.ts';

interface Sequence {
  readonly input: KerasTensor;
  /** The first states; none means zeros. */
  readonly initial: readonly KerasTensor[];
  readonly given: Arguments;
}

/**
 * Runs a recurrent layer with the mask that it heeds: not that of its sequence where its version of Keras forgets it,
 * which goes on behind the layer all the same.
 */
export function heeding(
  { input, initial, given }: Sequence,
  { origin }: Bench,
  run: (input: KerasTensor) => readonly KerasTensor[],
): readonly KerasTensor[] {
  const isNamed = given.at(Number.POSITIVE_INFINITY, 'mask') !== undefined;
  const isHeeded = isNamed || initial.length === 0 || !forgetsMaskWithStates(origin);
  if (isHeeded || !input.mask) return run(input);
  return run({ ...input, mask: undefined }).map((output) =>
    output.shape.length === input.shape.length ? { ...output, mask: input.mask } : output,
  );
}
