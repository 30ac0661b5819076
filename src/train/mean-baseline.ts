import type { Targets } from './rows.ts';

/**
 * Mean absolute error on the validation samples of always predicting the mean of the training ones, output by output.
 *
 * What a trained model has to better. Both are [n, outputs].
 */
export function meanBaseline(train: Targets, valid: Targets, outputs: number): number {
  const means = Array.from({ length: outputs }, (_, column) => {
    let sum = 0;
    for (let at = column; at < train.length; at += outputs) sum += Number(train[at]);
    return (sum * outputs) / train.length;
  });
  let error = 0;
  for (let at = 0; at < valid.length; at++) {
    error += Math.abs(Number(valid[at]) - (means[at % outputs] ?? 0));
  }
  return error / valid.length;
}
