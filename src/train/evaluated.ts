import { inOrder } from './rows.ts';
import type { Evaluation, Examples } from './trainer.ts';

/** Judges some rows: those of these numbers. */
type EvaluateBatch = (
  inputs: Float32Array,
  own: Uint32Array,
) => Promise<{ readonly loss: number; readonly correct: number; readonly output: Float32Array }>;

/** Measures over all rows, so many at once: the same numbers wherever the rows come from. */
export async function evaluated(
  { rows }: Pick<Examples, 'rows'>,
  atOnce: number,
  evaluate: EvaluateBatch,
): Promise<Evaluation> {
  const order = inOrder(rows.count);
  const outputs: Float32Array[] = [];
  let [at, loss, correct] = [0, 0, 0];
  for await (const inputs of rows.batches({ order, batchSize: atOnce, epoch: 0 })) {
    const own = order.subarray(at, at + atOnce);
    const result = await evaluate(inputs, own);
    outputs.push(result.output);
    at += own.length;
    loss += result.loss * own.length;
    correct += result.correct;
  }
  const output = new Float32Array(outputs.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const part of outputs) {
    output.set(part, to);
    to += part.length;
  }
  return { loss: loss / rows.count, acc: correct / rows.count, output };
}
