import { describe, expect, it } from 'vitest';
import { type Datatype, datatypes } from '../../src/serve/request/datatypes.ts';
import { temporaryFolder } from '../files.ts';
import { framed, post } from './http.ts';
import { at, same } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();

/** Two values of each element type, as JSON and as bytes. */
const samples: readonly {
  readonly name: Datatype;
  readonly text: string;
  readonly bytes: Buffer;
}[] = [
  { name: 'BOOL', text: '[true,false]', bytes: Buffer.from([1, 0]) },
  { name: 'UINT8', text: '[0,255]', bytes: Buffer.from([0, 255]) },
  { name: 'INT8', text: '[-128,127]', bytes: Buffer.from([128, 127]) },
  { name: 'UINT16', text: '[0,65535]', bytes: Buffer.from([0, 0, 255, 255]) },
  { name: 'INT16', text: '[-32768,32767]', bytes: Buffer.from([0, 128, 255, 127]) },
  { name: 'UINT32', text: '[0,4294967295]', bytes: Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]) },
  { name: 'INT32', text: '[-2147483648,1]', bytes: Buffer.from([0, 0, 0, 128, 1, 0, 0, 0]) },
  {
    name: 'UINT64',
    text: '[0,18446744073709551615]',
    bytes: Buffer.from('0000000000000000ffffffffffffffff', 'hex'),
  },
  {
    name: 'INT64',
    text: '[-9223372036854775808,9007199254740993]',
    bytes: Buffer.from('00000000000000800100000000002000', 'hex'),
  },
  { name: 'FP32', text: '[1.5,-2]', bytes: Buffer.from('0000c03f000000c0', 'hex') },
  { name: 'FP64', text: '[1.5,-2]', bytes: Buffer.from('000000000000f83f00000000000000c0', 'hex') },
];

describe('every element type', { timeout: 60_000 }, () => {
  it('goes in and out as JSON and as bytes', async () => {
    const folder = temporaryFolder();
    for (const { name } of samples) await same(at(folder, name), datatypes[name].dtype);
    const { url, context } = await startServer({ models: [folder], workers });
    expect(context.models.list().filter(({ reason }) => reason !== '')).toEqual([]);
    for (const { name, text, bytes } of samples) {
      const infer = `${url}/v2/models/${name}/infer`;
      const body = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"${name}","data":${text}}]}`;
      const answer = await fetch(infer, { method: 'POST', body });
      expect(await answer.text()).toContain(`"data":${text}`);
      const parameters = { binary_data_size: bytes.length };
      const [framedBody, headers] = framed(
        {
          inputs: [{ name: 'x', shape: [1, 2], datatype: name, parameters }],
          parameters: { binary_data_output: true },
        },
        bytes,
      );
      expect((await post(infer, framedBody, headers)).inferred?.bytes.get('y')).toEqual(bytes);
    }
  });

  it('of 16 bits travels as bytes, and is refused as JSON on the way in and out', async () => {
    const folder = temporaryFolder();
    await same(at(folder, 'half'), 'float16');
    const { url } = await startServer({ models: [folder], workers });
    const infer = `${url}/v2/models/half/infer`;
    const bytes = Buffer.from([0, 0x3c, 0, 0xc0]);
    const input = {
      name: 'x',
      shape: [1, 2],
      datatype: 'FP16',
      parameters: { binary_data_size: 4 },
    };
    const [body, headers] = framed(
      { inputs: [input], parameters: { binary_data_output: true } },
      bytes,
    );
    expect((await post(infer, body, headers)).inferred?.bytes.get('y')).toEqual(bytes);
    const [plainBody, plainHeaders] = framed({ inputs: [input] }, bytes);
    const out = await post(infer, plainBody, plainHeaders);
    expect(out).toMatchObject({ status: 400, error: says(/'y'.*FP16.*binary/) });
    const { parameters: _, ...rest } = input;
    const into = await post(infer, { inputs: [{ ...rest, data: [1, 2] }] });
    expect(into).toMatchObject({ status: 400, error: says(/'x'.*FP16.*binary/) });
  });
});
