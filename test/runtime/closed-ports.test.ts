import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytesOf, field, numberField, type Piece, textField } from '../../src/onnx/wire.ts';
import { openSession } from '../../src/runtime/session.ts';
import { temporaryFolder } from '../files.ts';
import { expectFault } from './fault.ts';

/** TypeProto of a tensor [2], by the number of its element type in onnx.proto. */
const tensor = (element: number): Piece[] =>
  field(1, [...numberField(1, element), ...field(2, field(1, numberField(1, 2)))]);
/** TypeProto of what holds tensors: 4 a sequence, 9 an optional. */
const holder = (kind: number): Piece[] => field(kind, field(1, tensor(1)));

/** ValueInfoProto. */
const port = (name: string, type: Piece[]): Piece[] => [...textField(1, name), ...field(2, type)];

/** A model y = identity(x), of these two types. */
function savedModel(x: Piece[], y: Piece[]): string {
  const node = [...textField(1, 'x'), ...textField(2, 'y'), ...textField(4, 'Identity')];
  const graph = [
    ...field(1, node),
    ...textField(2, 'g'),
    ...field(11, port('x', x)),
    ...field(12, port('y', y)),
  ];
  const model = [...numberField(1, 8), ...field(8, numberField(2, 17)), ...field(7, graph)];
  const path = join(temporaryFolder(), 'model.onnx');
  writeFileSync(path, Buffer.concat([...bytesOf(model)]));
  return path;
}

describe('a model whose inputs or outputs cannot be passed', () => {
  it.each([
    ['bfloat16', tensor(16), /Cast.*float32/],
    ['float8e4m3fn', tensor(17), /Cast.*float32/],
    ['float8e5m2', tensor(19), /Cast.*float32/],
    ['uint4', tensor(21), /Cast.*int8/],
    ['int4', tensor(22), /Cast.*int8/],
    ['complex64', tensor(14), /real and imaginary/],
    ['complex128', tensor(15), /real and imaginary/],
    ['sequence', holder(4), /zipmap/],
    ['optional', holder(9), /plain tensor/],
  ] as const)(
    'is refused at load with their names, their type and what to do: %s',
    async (...[type, proto, hint]) => {
      const fault = await expectFault(openSession({ path: savedModel([...proto], [...proto]) }), {
        code: 'RUNTIME_FAILED',
        says: `input "x" is of type ${type}, output "y" is of type ${type}, which onnxruntime-node cannot pass`,
      });
      expect(fault.hint).toMatch(hint);
    },
  );

  it('names only what is at fault', async () => {
    const opening = openSession({ path: savedModel(tensor(1), tensor(16)) });
    await expectFault(opening, {
      code: 'RUNTIME_FAILED',
      says: 'loaded: output "y" is of type bfloat16, which',
    });
  });

  it('is not one of float16 or of texts', async () => {
    for (const element of [10, 8]) {
      const session = await openSession({ path: savedModel(tensor(element), tensor(element)) });
      expect(session.inputs).toHaveLength(1);
      await session.close();
    }
  });
});
