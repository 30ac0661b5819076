import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { additionServer, x } from './addition-server.ts';
import { post } from './http.ts';
import { says } from './says.ts';

const { addServer } = additionServer();

describe('a request that is wrong', () => {
  it.each([
    ['no inputs', {}, /'inputs'/],
    ['the protocol of another server', { instances: [[1, 2, 3]] }, /'inputs'/],
    ['inputs that are no list', { inputs: { x: [1, 2, 3] } }, /'inputs'/],
    [
      'an input without a shape',
      { inputs: [{ name: 'x', datatype: 'FP32', data: [1, 2, 3] }] },
      /'x'.*'shape'/,
    ],
    [
      'an input without a type',
      { inputs: [{ name: 'x', shape: [1, 3], data: [1, 2, 3] }] },
      /'x'.*'datatype'/,
    ],
    ['an unknown type', { inputs: [{ ...x([1, 2, 3]), datatype: 'FLOAT' }] }, /'x'.*'FLOAT'.*FP32/],
    ['another type', { inputs: [{ ...x([1, 2, 3]), datatype: 'FP64' }] }, /'x'.*FP64.*FP32/],
    ['too few numbers', { inputs: [x([1, 2])] }, /'x' has 2 elements, 3 wanted/],
    ['too many numbers', { inputs: [x([1, 2, 3, 4])] }, /'x' has 4 elements, 3 wanted/],
    ['another shape', { inputs: [x([1, 2], [1, 2])] }, /'x'.*\[-1,3\].*\[1,2\]/],
    ['another rank', { inputs: [x([1, 2, 3], [3])] }, /'x'.*\[-1,3\].*\[3\]/],
    ['a negative size', { inputs: [x([1, 2, 3], [-1, 3])] }, /'x'.*at least 0/],
    ['a size beyond all numbers', { inputs: [x([], [2 ** 53, 3])] }, /'x'.*at least 0/],
    ['sizes whose product is', { inputs: [x([], [2 ** 50, 2 ** 50])] }, /'x'.*more elements/],
    ['a missing input', { inputs: [] }, /missing required input\(s\) \['x'\]/],
    [
      'an input of another name',
      { inputs: [{ ...x([1, 2, 3]), name: 'z' }] },
      /'z'.*allowed inputs are: x/,
    ],
    ['an input twice', { inputs: [x([1, 2, 3]), x([1, 2, 3])] }, /'x' is given twice/],
    [
      'an unknown output',
      { inputs: [x([1, 2, 3])], outputs: [{ name: 'z' }] },
      /'z'.*allowed outputs are: y/,
    ],
    [
      'an output twice',
      { inputs: [x([1, 2, 3])], outputs: [{ name: 'y' }, { name: 'y' }] },
      /'y' already exists/,
    ],
    [
      'data and bytes',
      { inputs: [{ ...x([1, 2, 3]), parameters: { binary_data_size: 12 } }] },
      /both 'data' and 'binary_data_size'/,
    ],
    [
      'bytes that are not there',
      {
        inputs: [
          { name: 'x', shape: [1, 3], datatype: 'FP32', parameters: { binary_data_size: 12 } },
        ],
      },
      /'x', expecting 12 additional bytes/,
    ],
    ['a list', [], /JSON object/],
    ['nothing', 'null', /JSON object/],
    ['no JSON', 'hello', /parse.*Inference-Header-Content-Length/],
    ['an empty body', '', /parse/],
    ['an id that is no text', { id: 7, inputs: [x([1, 2, 3])] }, /'id'/],
  ] as const)('is answered 400 with what was expected: %s', async (_, body, what) => {
    const reply = await post(await addServer(), body);
    expect(reply).toMatchObject({ status: 400, error: says(what) });
  });

  it.each([
    ['12x', /range \(0, 20\), got: 12x/],
    ['-1', /got: -1/],
    ['21', /got: 21/],
    ['99999999999999999999', /got: 9999/],
  ])('is answered 400 for the header length %s', async (length, what) => {
    const reply = await post(await addServer(), Buffer.alloc(20, 32), {
      'inference-header-content-length': length,
    });
    expect(reply).toMatchObject({ status: 400, error: says(what) });
  });

  it('is answered 413 when it is too large, in whatever form it comes', async () => {
    const url = await addServer({ bodyLimit: 1000 });
    const large = Buffer.alloc(2000, 32);
    expect(await post(url, large)).toMatchObject({
      status: 413,
      error: says('1000 bytes'),
    });
    const packed = await post(url, gzipSync(large), { 'content-encoding': 'gzip' });
    expect(packed).toMatchObject({ status: 413, error: says('1000 bytes') });
    const good = JSON.stringify({ inputs: [x([1, 2, 3])] }).padEnd(1000);
    expect(await post(url, good)).toMatchObject({ status: 200 });
  });

  it.each([
    ['bytes that are no text', '%ff', 400],
    ['a name longer than any', 'a'.repeat(2000), 400],
  ])('has the form of the protocol where its path has %s', async (_, name, status) => {
    const reply = await post((await addServer()).replace('/add/', `/${name}/`), {});
    expect(reply).toMatchObject({ status, error: says(name.slice(0, 3)) });
  });

  it('names the model that is unknown', async () => {
    const url = await addServer();
    for (const name of ['nope', '..%2f..%2fetc', '__proto__', '%00', 'a'.repeat(500)]) {
      expect(await post(url.replace('/add/', `/${name}/`), {})).toMatchObject({
        status: 404,
        error: says('unknown model'),
      });
    }
  });
});

it('a refusal has its code in a header, and the words of the client on one line', async () => {
  const url = (await addServer()).replace('/add/infer', '/a%0D%0Ab%1B');
  const reply = await fetch(url);
  expect(reply.status).toBe(404);
  expect(reply.headers.get('x-graft-code')).toBe('MODEL_UNKNOWN');
  const error = "Request for unknown model: 'a\\r\\nb\\u001b' is not found. There are: add.";
  expect(await reply.json()).toEqual({ error });
});
