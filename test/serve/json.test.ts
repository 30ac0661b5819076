import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readData } from '../../src/serve/http/json/data.ts';
import { scanRequest } from '../../src/serve/http/json/scan.ts';
import { type Datatype, datatypes } from '../../src/serve/request/datatypes.ts';
import { numbersIn } from '../../src/serve/request/views.ts';
import { thrownBy } from './thrown.ts';

const seed = 20;

function read(text: string, datatype: Datatype, count: number): unknown[] {
  const body = Buffer.from(`{"inputs":[{"data": ${text} ,"name":"x"}]}`);
  const { ranges } = scanRequest(body);
  const range = ranges[0] ?? { start: 0, end: 0 };
  const data = readData(body, range, { name: 'x', datatype, shape: [count] });
  if (!(data instanceof Uint8Array)) return data.map((bytes) => Buffer.from(bytes).toString());
  const { dtype } = datatypes[datatype];
  if (dtype === 'string') throw new Error('numbers are expected');
  const numbers: Iterable<number | bigint> = numbersIn(dtype, data);
  return [...numbers];
}

/** Ways to write a number that JSON allows. */
const numerals = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc
    .tuple(
      fc.integer({ min: -99, max: 99 }),
      fc.bigInt({ min: 0n, max: 10n ** 25n }),
      fc.integer({ min: -40, max: 30 }),
    )
    .map(([whole, fraction, exponent]) => `${whole}.${fraction}e${exponent}`),
);
const jsonNumerals = numerals.map((text) => text.replace('e+', 'E+'));

describe('numbers in JSON', () => {
  it('are read as JavaScript reads them, for float64', () => {
    fc.assert(
      fc.property(fc.array(jsonNumerals, { minLength: 1 }), (texts) => {
        expect(read(`[${texts.join(' , ')}]`, 'FP64', texts.length)).toEqual(texts.map(Number));
      }),
      { seed, numRuns: 500 },
    );
  });

  it('are rounded once, for float32', () => {
    const small = jsonNumerals.filter((text) => Number.isFinite(Math.fround(Number(text))));
    fc.assert(
      fc.property(fc.array(small, { minLength: 1 }), (texts) => {
        const expected = texts.map((text) => Math.fround(Number(text)));
        expect(read(`[${texts.join()}]`, 'FP32', texts.length)).toEqual(expected);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('keep all digits of 64-bit integers', () => {
    const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(fc.array(big, { minLength: 1 }), (values) => {
        expect(read(`[${values.join()}]`, 'INT64', values.length)).toEqual(values);
      }),
      { seed },
    );
  });

  it('may be nested in any way that ends in the same row-major order', () => {
    expect(read('[[1,2],[3, [4]]]', 'FP32', 4)).toEqual([1, 2, 3, 4]);
    expect(read('[[],[]]', 'FP32', 0)).toEqual([]);
  });

  it('may be spelled NaN, Infinity and -Infinity, in quotes', () => {
    expect(read('["NaN","Infinity","-Infinity",-0]', 'FP32', 4)).toEqual([
      NaN,
      Infinity,
      -Infinity,
      -0,
    ]);
  });

  it.each([
    ['NaN', 'FP32', 1],
    ['[NaN]', 'FP32', 1],
    ['[1e400]', 'FP64', 1],
    ['[1e39]', 'FP32', 1],
    ['[01]', 'FP32', 1],
    ['[1.]', 'FP32', 1],
    ['[.5]', 'FP32', 1],
    ['[+1]', 'FP32', 1],
    ['[1e]', 'FP32', 1],
    ['[1 2]', 'FP32', 2],
    ['[1,]', 'FP32', 1],
    ['[,1]', 'FP32', 1],
    ['[1,,2]', 'FP32', 2],
    ['[1]]', 'FP32', 1],
    ['[[1]', 'FP32', 1],
    ['["1"]', 'FP32', 1],
    ['[null]', 'FP32', 1],
    ['[true]', 'FP32', 1],
    ['[{}]', 'FP32', 1],
    ['1', 'FP32', 1],
    ['[256]', 'UINT8', 1],
    ['[-1]', 'UINT8', 1],
    ['[0.5]', 'UINT8', 1],
    ['[9223372036854775808]', 'INT64', 1],
    ['[2]', 'BOOL', 1],
    ['[1]', 'BYTES', 1],
    ['["\\x"]', 'BYTES', 1],
    ['["a\nb"]', 'BYTES', 1],
  ] as const)('refuses %s as %s', (text, datatype, count) => {
    expect(thrownBy(() => read(text, datatype, count))).toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('counts elements before it makes room for them', () => {
    const fault = thrownBy(() => read('[1,2]', 'FP64', 2 ** 45));
    expect(fault).toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

describe('texts in JSON', () => {
  it('come as their UTF-8 bytes, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (texts) => {
        expect(read(JSON.stringify(texts), 'BYTES', texts.length)).toEqual(texts);
      }),
      { seed },
    );
  });
});

describe('the JSON around the numbers', () => {
  it('is what JSON.parse says, with data replaced by its place', () => {
    const { json, ranges } = scanRequest(
      Buffer.from(
        '{"inputs":[{"data":[1,"]"],"name":"data"},{"name":"\\"data\\":","data":[[2]]}],"data":7}',
      ),
    );
    expect(json).toEqual({
      inputs: [
        { data: 0, name: 'data' },
        { name: '"data":', data: 1 },
      ],
      data: 7,
    });
    expect(ranges).toHaveLength(2);
  });

  it.each(['', 'hello', '{"inputs":[{"name":"x","shape":[1,', '[[', '{"a":1}}', '\u{feff}{}'])(
    'is refused where it is none: %j',
    (text) => {
      expect(thrownBy(() => scanRequest(Buffer.from(text)))).toMatchObject({
        code: 'REQUEST_INVALID',
      });
    },
  );

  it('is refused when it is nested too deeply, however deep', () => {
    const deep = '['.repeat(250_000) + ']'.repeat(250_000);
    expect(thrownBy(() => scanRequest(Buffer.from(`{"a":${deep}}`)))).toMatchObject({
      code: 'REQUEST_INVALID',
    });
    const data = Buffer.from(`{"inputs":[{"data":${deep}}]}`);
    const range = scanRequest(data).ranges[0] ?? { start: 0, end: 0 };
    const of = { name: 'x', datatype: 'FP32', shape: [1] } as const;
    expect(thrownBy(() => readData(data, range, of))).toMatchObject({ code: 'REQUEST_INVALID' });
  });
});
