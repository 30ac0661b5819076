// The stages of the demo at three seeds: what README says of them comes from here. Some minutes on two cores.
// `--split second` measures on test pictures that had no part in settling the stages.
import { mkdirSync, rmSync } from 'node:fs';
import { convert } from '../dist/index.js';
import { writeThreeSets } from './demo-digits.mjs';
import { checkStages, trainStages } from './demo-stages.mjs';

const [flag, split = 'first'] = process.argv.slice(2);
if (flag !== undefined && flag !== '--split') throw new Error(`There is no option ${flag}`);
const out = `demo-output/three-seeds-${split}`;
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const onnx = `${out}/digits.onnx`;
await convert('models/digits_vgg.h5', { output: onnx });
const folders = await writeThreeSets(`${out}/digits`, split);
checkStages(await trainStages({ onnx, folders, out, seeds: [0, 1, 2], provider: 'cpu' }), 0.985);
