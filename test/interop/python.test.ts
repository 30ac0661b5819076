import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { graphOnly } from '../../src/onnx/edit.ts';
import { readModel } from '../../src/onnx/read.ts';
import { opset } from '../../src/onnx/schema.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';
import { convertedDigits, digits, retrainedDigits, runDigits } from './digits.ts';
import { pythonMissing, runInPython } from './python.ts';

const missing = pythonMissing(['numpy', 'onnx', 'onnxruntime']);

describe.skipIf(missing)(`in Python${missing}`, { timeout: 120_000 }, () => {
  it('a converted model passes the checker and says what Keras said, in two runtimes', async () => {
    const model = await convertedDigits(temporaryFolder());
    const job = { model, feed: digits.inputPath, reference: 16 };
    const answer = await runInPython(job);
    const expected = digits.expected();
    expect(expected.shape).toEqual([16, 8]);
    expect(answer.opset).toBe(opset);
    expectClose(answer.runtime, expected.data);
    expectClose(answer.reference, expected.data);
    expectClose(await runDigits(model), expected.data);
  });

  it('a model with a new head passes the checker and says what it says here', async () => {
    const model = await retrainedDigits(temporaryFolder());
    const answer = await runInPython({ model, feed: digits.inputPath, reference: 16 });
    const here = await runDigits(model);
    expect(here).toHaveLength(16 * 2);
    expectClose(answer.runtime, here);
    expectClose(answer.reference, here);
  });

  it('a graph that is cut and takes its weights out of the other file runs beside it', async () => {
    const folder = temporaryFolder();
    const stored = readModel(await convertedDigits(folder));
    const at = stored.nodes.find(({ op }) => op === 'Flatten' || op === 'Reshape');
    const name = at?.outputs[0] ?? '';
    const model = join(folder, 'cut.onnx');
    writeFileSync(model, graphOnly(stored, { outputs: [name] }).bytes);
    const answer = await runInPython({ model, feed: digits.inputPath, reference: 0 });
    const here = await runDigits(stored.path, [name]);
    expect(here).toHaveLength(16 * 32);
    expectClose(answer.runtime, here);
  });
});
