import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert.ts';
import { openKeras } from '../../src/keras/open.ts';
import { printGraph } from '../../src/onnx/print.ts';

it('a VGG16 becomes one Conv a convolution and one Gemm a dense layer, nothing more', async () => {
  const file = fileURLToPath(new URL('../../models/digits_vgg.h5', import.meta.url));
  const model = await openKeras(file);
  try {
    const text = printGraph(convertModel(model).graph);
    await expect(text).toMatchFileSnapshot('digits-vgg.graph.txt');
  } finally {
    model.close();
  }
});
