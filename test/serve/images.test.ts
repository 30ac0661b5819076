import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../files.ts';
import { meanColors, plain, saveModel } from '../runtime/models.ts';
import { framed, post } from './http.ts';
import { addition, at, colours } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, sharedServer, startServer } from './server.ts';

const workers = bundledWorker();
const url = sharedServer({ workers, maxPixels: 100_000 }, async (folder) => {
  await colours(at(folder, 'colours'));
  await addition(at(folder, 'add'));
});

/** A picture of one colour. */
async function picture(
  [r, g, b]: [number, number, number],
  format: 'png' | 'jpeg' | 'webp' = 'png',
  side = 16,
): Promise<Buffer> {
  const create = { width: side, height: side, channels: 3 as const, background: { r, g, b } };
  return sharp({ create }).toFormat(format).toBuffer();
}

const classification = z.object({
  model_name: z.string(),
  model_version: z.string(),
  predictions: z.array(z.object({ index: z.number(), label: z.string(), probability: z.number() })),
  timing: z.object({ total_ms: z.number() }),
});

async function classify(path: string, body: Uint8Array | FormData): Promise<[number, unknown]> {
  const content = body instanceof FormData ? body : new Uint8Array(body);
  const response = await fetch(`${url()}/v2/models/${path}`, { method: 'POST', body: content });
  return [response.status, await response.json()];
}

const tops = (json: unknown): (readonly [string, number])[] =>
  classification
    .parse(json)
    .predictions.map(({ label, probability }) => [label, Math.round(probability * 255)] as const);

describe('a picture that is posted', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('as %s gets labels, the best first', async (format) => {
    const [status, json] = await classify('colours/classify', await picture([0, 102, 255], format));
    expect(status).toBe(200);
    const found = tops(json);
    expect(found.map(([label]) => label)).toEqual(['blue', 'green', 'red']);
    expect(Math.abs((found[1]?.[1] ?? 0) - 102)).toBeLessThanOrEqual(3);
  });

  it('gets as many as it asks for', async () => {
    const [, json] = await classify(
      'colours/versions/1/classify?top=1',
      await picture([255, 0, 0]),
    );
    expect(tops(json)).toEqual([['red', 255]]);
    expect(await classify('colours/classify?top=x', await picture([0, 0, 0]))).toMatchObject([
      400,
      { error: says("'top'") },
    ]);
  });

  it.each([
    [
      'ends before its end',
      '; boundary=X',
      '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nb',
    ],
    ['has no boundary', '', 'abc'],
  ])('is refused in a form that %s', async (_, boundary, body) => {
    const headers = { 'content-type': `multipart/form-data${boundary}` };
    const reply = await fetch(`${url()}/v2/models/colours/classify`, {
      method: 'POST',
      headers,
      body,
    });
    expect(reply.status).toBe(400);
    expect(await reply.text()).toMatch(/^\{"error":"the form cannot be read: .*boundary/);
  });

  it('may come in a form, also with others', async () => {
    const form = new FormData();
    form.append('image', new Blob([new Uint8Array(await picture([255, 0, 0]))]), 'red.png');
    const [, one] = await classify('colours/classify', form);
    expect(tops(one)[0]).toEqual(['red', 255]);
    form.append('image', new Blob([new Uint8Array(await picture([0, 255, 0]))]), 'green.png');
    const [, json] = await classify('colours/classify', form);
    const { images } = z.object({ images: z.array(z.unknown()) }).parse(json);
    expect(images.map((image) => tops(image)[0]?.[0])).toEqual(['red', 'green']);
    expect(await classify('colours/classify', new FormData())).toMatchObject([400, {}]);
  });

  it('is refused when it is none, or cut off, with what is wrong', async () => {
    const whole = await picture([1, 2, 3], 'jpeg', 64);
    const bad = [Buffer.from('hello'), Buffer.alloc(0), whole.subarray(0, whole.length / 2)];
    for (const bytes of bad) {
      const [status, json] = await classify('colours/classify', bytes);
      expect({ status, json }).toMatchObject({
        status: 400,
        json: { error: says('image') },
      });
    }
  });

  it('is refused by its header when it has too many pixels', async () => {
    const large = await picture([0, 0, 0], 'png', 400);
    expect(await classify('colours/classify', large)).toMatchObject([
      400,
      { error: says('more than 100000 pixels') },
    ]);
    expect(await classify('colours/classify', enormous())).toMatchObject([400, {}]);
  });

  it('is refused by a model that takes none, with why', async () => {
    expect(await classify('add/classify', await picture([0, 0, 0]))).toMatchObject([
      400,
      { error: says(/'add' takes no pictures.*image classifier/) },
    ]);
  });
});

/** A PNG of 50,000 × 50,000 pixels in a few bytes: the header alone says so. */
function enormous(): Buffer {
  const head = Buffer.from('89504e470d0a1a0a0000000d494844520000c3500000c3500802000000', 'hex');
  return Buffer.concat([head, Buffer.alloc(100)]);
}

/** Elements, each behind its length. */
const prefixed = (elements: Buffer[]): Buffer =>
  Buffer.concat(
    elements.flatMap((element) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(element.length);
      return [length, element];
    }),
  );

async function infer(model: string, name: string, elements: Buffer[]): ReturnType<typeof post> {
  const data = prefixed(elements);
  const parameters = { binary_data_size: data.length };
  const input = { name, shape: [elements.length], datatype: 'BYTES', parameters };
  const [body, headers] = framed({ inputs: [input] }, data);
  return post(`${url()}/v2/models/${model}/infer`, body, headers);
}

describe('a model whose numbers are no scores of classes', () => {
  it('is not asked for classes, but says what to ask for', async () => {
    const folder = temporaryFolder();
    await saveModel(at(folder, 'size'), meanColors([8, 8]), { preprocess: plain([8, 8]) });
    const { url: own } = await startServer({ models: [folder], workers });
    const body = await picture([0, 0, 0]);
    const reply = await fetch(`${own}/v2/models/size/classify`, { method: 'POST', body });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toEqual({ error: says(/no classifier.*\/v2\/models\/size\/infer/) });
  });
});

describe('a picture as a tensor', () => {
  it('is taken by a model of its own, whose first step decodes', async () => {
    const response = await fetch(`${url()}/v2/models/colours_image`);
    expect(await response.json()).toMatchObject({
      platform: 'ensemble',
      inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1, 1] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 3] }],
    });
    const config = await fetch(`${url()}/v2/models/colours_image/config`);
    expect(await config.json()).toMatchObject({
      platform: 'ensemble',
      input: [{ name: 'image', data_type: 'TYPE_STRING', dims: [1] }],
      ensemble_scheduling: { step: [{ model_name: 'colours', input_map: { image: 'image' } }] },
    });
    const pictures = [await picture([255, 0, 0]), await picture([0, 255, 0], 'webp')];
    const { inferred } = await infer('colours_image', 'image', pictures);
    expect(inferred).toMatchObject({ model_name: 'colours_image' });
    expect(inferred?.outputs[0]?.shape).toEqual([2, 3]);
    expect(inferred?.outputs[0]?.data?.slice(0, 3)).toEqual([1, 0, 0]);
  });

  it('is taken by the model itself in place of the numbers', async () => {
    const { inferred } = await infer('colours', 'image', [await picture([0, 0, 255])]);
    expect(inferred?.outputs[0]?.data).toEqual([0, 0, 1]);
  });

  it('is taken as the whole body, when the header says 0', async () => {
    const reply = await post(`${url()}/v2/models/colours_image/infer`, await picture([0, 0, 255]), {
      'inference-header-content-length': '0',
    });
    expect(reply.inferred?.bytes.get('scores')).toHaveLength(12);
  });

  it('is taken as base64 in JSON', async () => {
    const data = (await picture([255, 0, 0])).toString('base64');
    for (const text of [data, `data:image/png;base64,${data}`]) {
      const inputs = [{ name: 'image', shape: [1], datatype: 'BYTES', data: [text] }];
      const { inferred } = await post(`${url()}/v2/models/colours_image/infer`, { inputs });
      expect(inferred?.outputs[0]?.data).toEqual([1, 0, 0]);
    }
  });

  it('is named by its place when it cannot be read', async () => {
    const reply = await infer('colours_image', 'image', [
      await picture([0, 0, 0]),
      Buffer.from('no'),
    ]);
    expect(reply).toMatchObject({
      status: 400,
      error: says(/Element 1 of input 'image'/),
    });
  });
});

describe('many pictures at once', () => {
  it('each get their own answer', async () => {
    const folder = temporaryFolder();
    await colours(at(folder, 'colours'));
    const server = await startServer({ models: [folder], workers, instances: 2 });
    const shades = Array.from({ length: 40 }, (_, i) => i * 5);
    const answers = await Promise.all(
      shades.map(async (shade) => {
        const body = new Uint8Array(await picture([shade, 0, 0]));
        const response = await fetch(`${server.url}/v2/models/colours/classify`, {
          method: 'POST',
          body,
        });
        return tops(await response.json()).find(([label]) => label === 'red')?.[1];
      }),
    );
    expect(answers).toEqual(shades);
  });
});
