import { describe, expect, it } from 'vitest';
import { parseConfig, parseJsonConfig } from '../../src/serve/models/model-config.ts';
import { thrownBy } from './thrown.ts';

const file = 'config.pbtxt';

describe("a model's configuration", () => {
  it('is read for what it means here, and names the fields that mean nothing', () => {
    const config = parseConfig(
      `# a classifier
      name: "cats" platform: 'onnxruntime_onnx'
      max_batch_size: 16
      input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
      output { name: "y" data_type: TYPE_FP32 dims: 2 label_filename: "labels" ".txt" }
      dynamic_batching <
        preferred_batch_size: [ 4, 8 ];
        max_queue_delay_microseconds: 1500,
        default_queue_policy { max_queue_size: 7 default_timeout_microseconds: 2000000 }
      >
      instance_group [ { count: 3 kind: KIND_CPU } ]
      version_policy: { specific { versions: [1, 3] } }
      parameters { key: "intra_op_thread_count" value { string_value: "2" } }
      optimization { graph { level: -1 } }`,
      file,
    );
    expect(config).toEqual({
      name: 'cats',
      maxBatchSize: 16,
      delayMs: 1.5,
      maxWaiting: 7,
      timeoutMs: 2000,
      instances: 3,
      threads: 2,
      versions: { kind: 'specific', versions: ['1', '3'] },
      labels: 'labels.txt',
      outputs: ['y'],
      ignored: ['optimization'],
    });
  });

  it('may be empty, or of JSON', () => {
    expect(parseConfig('', file)).toMatchObject({ ignored: [] });
    const json = '{"max_batch_size":2,"version_policy":{"latest":{"num_versions":2}}}';
    expect(parseJsonConfig(json)).toMatchObject({
      maxBatchSize: 2,
      versions: { kind: 'latest', count: 2 },
    });
  });

  it.each([
    ['name "x"', 'line 1'],
    ['name: "x"\nmax_batch_size', 'line 2'],
    ['a {\n b {\n', 'line 3'],
    ['a: {', 'the end'],
    ['}', 'name is expected'],
    ['a: [1', 'a value is expected'],
    ['name: "x', 'unexpected'],
    ['max_batch_size: many', 'max_batch_size'],
    ['max_batch_size: -1', 'max_batch_size'],
    ['instance_group { count: 0 }', 'count'],
    [`${'a {'.repeat(1000)}${'}'.repeat(1000)}`, 'nested too deeply'],
  ])('is refused where it is wrong: %j', (text, what) => {
    const fault = thrownBy(() => parseConfig(text, file));
    expect(fault).toMatchObject({ code: 'MODEL_CONFIG_INVALID', where: { file } });
    expect(String(fault)).toContain(what);
  });

  it('says of JSON in one line which field is wrong', () => {
    const fault = thrownBy(() => parseJsonConfig('{"max_batch_size":-5}'));
    expect(String(fault).split('\n')[0]).toMatch(/max_batch_size: .*>=0/);
  });

  it.each([
    '',
    '[]',
    '7',
    '{"max_batch_size":"x"}',
    '{',
    `${'{"a":'.repeat(99)}1${'}'.repeat(99)}`,
  ])('of JSON is refused: %j', (text) => {
    expect(thrownBy(() => parseJsonConfig(text))).toMatchObject({ code: 'MODEL_CONFIG_INVALID' });
  });
});
