import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  byteCount,
  classList,
  fileEnding,
  hostList,
  originList,
  preprocessOption,
  share,
} from '../../src/cli/options.ts';
import { temporaryFolder } from '../files.ts';

describe('classList', () => {
  it('takes names by comma, a name a line, and a JSON array', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'lines.txt'), 'cat\r\ndog\n');
    writeFileSync(join(folder, 'array.json'), '["cat", "dog"]');
    const given = ['cat, dog', join(folder, 'lines.txt'), join(folder, 'array.json')];
    expect(given.map(classList)).toEqual(given.map(() => ['cat', 'dog']));
  });

  it("takes Keras' class index, in the order of its numbers", () => {
    const path = fileURLToPath(new URL('../../models/imagenet_class_index.json', import.meta.url));
    const names = classList(path);
    expect([names.length, names[0], names[2], names[999]]).toEqual([
      1000,
      'tench',
      'great_white_shark',
      'toilet_tissue',
    ]);
  });

  it.each(['{"a":', '{"a": 1}', '[1]'])('refuses %s as wrong usage', (text) => {
    const path = join(temporaryFolder(), 'classes.json');
    writeFileSync(path, text);
    expect(() => classList(path)).toThrow(InvalidArgumentError);
  });
});

describe('share', () => {
  it('is a number from 0 to 1', () => {
    expect([share('one')('1'), share('less')('0.5')]).toEqual([1, 0.5]);
    for (const text of ['abc', '', '-0.1', '1']) expect(() => share('less')(text)).toThrow();
  });
});

describe('byteCount', () => {
  it.each([
    ['1000', 1000],
    ['1GB', 1e9],
    ['4 GiB', 4 * 2 ** 30],
    ['0.5mib', 2 ** 19],
  ])('reads %s', (text, bytes) => {
    expect(byteCount(text)).toBe(bytes);
  });

  it.each(['', '0', '-1', '1XB', 'GB', '1e3', '1.2.3GB', 'toString'])('refuses "%s"', (text) => {
    expect(() => byteCount(text)).toThrow(/500MB, 4GiB/);
  });
});

describe('fileEnding', () => {
  it('takes names that end as they must, in either case', () => {
    expect(fileEnding('.json', '.csv')('a/History.CSV')).toBe('a/History.CSV');
  });

  it.each(['-', 'x.txt', 'csv', ''])('refuses "%s"', (text) => {
    expect(() => fileEnding('.json', '.csv')(text)).toThrow(/\.json or \.csv/);
  });
});

function parsed(text: string): unknown {
  return new Command()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .addOption(preprocessOption())
    .parse(['--preprocess', text], { from: 'user' })
    .opts()['preprocess'];
}

describe('--preprocess', () => {
  it('is a mode, or parts by comma', () => {
    expect(parsed('tf')).toEqual({ mode: 'tf' });
    expect(parsed('caffe,color=bgr,size=299x224,layout=nhwc')).toEqual({
      mode: 'caffe',
      color: 'bgr',
      size: [299, 224],
      layout: 'nhwc',
    });
  });

  it.each([
    ['imagenet', 'none, caffe, tf or torch'],
    ['tf,size=10', 'HEIGHTxWIDTH'],
    ['size=224', 'HEIGHTxWIDTH'],
    ['color=red', 'rgb, bgr or gray'],
    ['colour=rgb', 'The parts are mode, color'],
    ['mode', 'none, caffe, tf or torch'],
  ])('refuses %s, and says what it may be, with an example', (text, words) => {
    expect(() => parsed(text)).toThrow(words);
    expect(() => parsed(text)).toThrow('Examples: tf');
  });
});

describe('hostList', () => {
  it('takes names as a Host header has them, without the port', () => {
    expect(hostList('Proxy.example., app')).toEqual(['proxy.example', 'app']);
    for (const text of ['proxy.example:8080', 'http://a.example', '[::1]']) {
      expect(() => hostList(text)).toThrow(InvalidArgumentError);
    }
  });
});

describe('originList', () => {
  it('spells origins as browsers do', () => {
    expect(originList('http://a.example/, https://B.example:443,http://c.example:3000')).toEqual([
      'http://a.example',
      'https://b.example',
      'http://c.example:3000',
    ]);
    expect(originList('*')).toEqual(['*']);
  });

  it.each([
    'evil',
    'null',
    'a.example:80',
    'http://a.example/page',
    'http://a.example?x',
    'file:///',
  ])('refuses %s, which no page has for its origin', (text) => {
    expect(() => originList(text)).toThrow(InvalidArgumentError);
  });
});
