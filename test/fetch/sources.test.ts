import { describe, expect, it } from 'vitest';
import { sources } from '../../src/fetch/sources.ts';

describe.each(Object.entries(sources))('the source %s', (_, source) => {
  it('has addresses that end with its file', () => {
    for (const address of source.addresses) {
      expect(URL.canParse(address)).toBe(true);
      expect(address.endsWith(`/${source.file}`)).toBe(true);
    }
  });

  it('has a checksum, or the number of its parameters', () => {
    const { check } = source;
    if ('md5' in check) expect(check.md5).toMatch(/^[0-9a-f]{32}$/);
    else if ('sha256' in check) expect(check.sha256).toMatch(/^[0-9a-f]{64}$/);
    else expect(check.parameters).toBeGreaterThan(0);
  });
});

describe('the table of sources', () => {
  it('gives each file one name', () => {
    const files = Object.values(sources).map((source) => source.file);
    expect(new Set(files).size).toBe(files.length);
  });

  it("knows fast.ai's VGG16 at its first and its present address", () => {
    expect(sources['vgg16']?.addresses).toEqual([
      'https://files.fast.ai/models/vgg16.h5',
      'http://files.fast.ai/models/vgg16.h5',
      'http://www.platform.ai/models/vgg16.h5',
    ]);
  });
});
