import { writeFileSync } from 'node:fs';
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { GrpcClient } from './grpc-client.ts';
import { framed, post } from './http.ts';
import { at } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, startServer } from './server.ts';

const { onnx } = onnxProto;
const workers = bundledWorker();

/** y = x over texts, [N, 2]. */
function texts(path: string): void {
  const shape = { dim: [{ dimParam: 'N' }, { dimValue: 2 }] };
  const value = (name: string): object => ({ name, type: { tensorType: { elemType: 8, shape } } });
  const node = [{ opType: 'Identity', input: ['x'], output: ['y'] }];
  const graph = { name: 'texts', node, input: [value('x')], output: [value('y')] };
  const opsetImport = [{ domain: '', version: 17 }];
  writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish());
}

const prefixed = (...elements: string[]): Buffer =>
  Buffer.concat(
    elements.flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );

describe('a model of texts', () => {
  it('takes and gives BYTES, as JSON, as bytes, and over gRPC, one row or many', async () => {
    const folder = temporaryFolder();
    texts(at(folder, 'texts'));
    const { url, grpcPort = 0 } = await startServer({
      models: [folder],
      workers,
      grpcPort: 0,
      maxBatchSize: 2,
    });
    const infer = `${url}/v2/models/texts/infer`;
    const words = ['a', 'é', '', '"\\n', '日本', 'z'];
    const input = { name: 'x', datatype: 'BYTES', shape: [3, 2] };
    const { inferred } = await post(infer, { inputs: [{ ...input, data: words }] });
    expect(inferred?.outputs[0]).toMatchObject({ datatype: 'BYTES', shape: [3, 2], data: words });
    const bytes = prefixed(...words);
    const parameters = { binary_data_size: bytes.length };
    const [body, headers] = framed(
      { inputs: [{ ...input, parameters }], parameters: { binary_data_output: true } },
      bytes,
    );
    expect((await post(infer, body, headers)).inferred?.bytes.get('y')).toEqual(bytes);
    const { answer } = await new GrpcClient(grpcPort).call('ModelInfer', {
      model_name: 'texts',
      inputs: [input],
      raw_input_contents: [bytes],
    });
    expect(answer['raw_output_contents']).toEqual([bytes]);
    const broken = Buffer.concat([Buffer.from([1, 0, 0, 0, 0xff]), prefixed('a')]);
    const [bad, badHeaders] = framed(
      { inputs: [{ ...input, shape: [1, 2], parameters: { binary_data_size: broken.length } }] },
      broken,
    );
    expect(await post(infer, bad, badHeaders)).toMatchObject({
      status: 400,
      error: says(/element 0.*'x'.*UTF-8/),
    });
    const cut = { ...input, shape: [1, 2], data: ['whole', 'cut\0off'] };
    expect(await post(infer, { inputs: [cut] })).toMatchObject({
      status: 400,
      error: says(/element 1.*'x'.*zero byte/),
    });
  });

  it('is given each request its own texts, when they share a run', async () => {
    const folder = temporaryFolder();
    texts(at(folder, 'texts'));
    const { url } = await startServer({ models: [folder], workers });
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, i) =>
        post(`${url}/v2/models/texts/infer`, {
          inputs: [{ name: 'x', datatype: 'BYTES', shape: [1, 2], data: [`${i}`, 'b'] }],
        }),
      ),
    );
    expect(answers.map(({ inferred }) => inferred?.outputs[0]?.data?.[0])).toEqual(
      Array.from({ length: 30 }, (_, i) => `${i}`),
    );
  });
});
