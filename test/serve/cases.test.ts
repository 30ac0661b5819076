import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { hasShared, shared } from '../shared.ts';
import { post, type Reply } from './http.ts';
import { at, colours } from './models.ts';
import { bundledWorker, sharedServer } from './server.ts';

const request = z.object({
  name: z.string(),
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body_file: z.string(),
  /** A number, or words that begin with those that are allowed. */
  status: z.union([z.number(), z.string()]),
  expect: z.looseObject({
    values: z.record(z.string(), z.array(z.number())).optional(),
    'message names': z.string().optional(),
    only: z.array(z.string()).optional(),
    id: z.string().optional(),
  }),
});
const collection = z.object({ requests: z.array(request) });
type Request = z.infer<typeof request>;

function requestsOf(name: string): Request[] {
  const path = shared(`cases/${name}/case.json`);
  if (!existsSync(path)) return [];
  return collection.parse(JSON.parse(readFileSync(path, 'utf8'))).requests;
}

const workers = bundledWorker();

describe.skipIf(!hasShared)(
  `requests from public bug reports${hasShared ? '' : ' (skipped: the collection is not here)'}`,
  { timeout: 60_000 },
  () => {
    const url = sharedServer({ workers }, async (folder) => {
      await convert(shared('cases/e00-serving-model/model.h5'), { output: at(folder, 'serve_me') });
      await colours(at(folder, 'colours'));
    });

    const folders = [
      'e01-fp16-json',
      'e04-binary-header',
      'e05-bytes-tensor',
      'e06-nested-data',
      'e09-bad-json',
    ].filter((folder) => requestsOf(folder).length > 0);
    describe.each(folders)('%s', (folder) => {
      const requests = requestsOf(folder);
      it.each(requests.map((one) => [one.name, one] as const))('%s', async (_, one) => {
        await check(url(), folder, one);
        const flat = requestsOf('e06-nested-data').find(({ name }) => name === 'flat');
        if (flat) await check(url(), 'e06-nested-data', flat);
      });
    });
  },
);

/** Replies that the notes leave open, as they are documented here. */
const decided: Readonly<Record<string, number>> = {
  nested_wrongly_but_same_count: 200,
  batch_zero: 200,
  ids_out_of_vocabulary: 400,
  nan_literal: 400,
  bom: 400,
  wrong_method: 405,
  three_elements: 400,
  base64_in_json: 200,
  base64_urlsafe_no_padding: 200,
  base64_data_url: 200,
};

async function check(url: string, folder: string, one: Request): Promise<void> {
  const path = one.path.replace('IMAGE_MODEL', 'colours_image');
  const status = typeof one.status === 'number' ? one.status : decided[one.name];
  const body = readFileSync(shared(join('cases', folder, one.body_file)));
  if (one.method === 'GET') {
    expect((await fetch(url + path)).status).toBe(status);
    return;
  }
  const reply = await post(url + path, body, one.headers);
  expect({ status: reply.status, error: reply.error }).toMatchObject({ status });
  checkMessage(reply, one);
  for (const [name, values] of Object.entries(one.expect.values ?? {})) {
    const found = numbersOf(reply, name);
    expect(found).toHaveLength(values.length);
    found.forEach((value, i) => expect(value).toBeCloseTo(values[i] ?? Number.NaN, 5));
  }
  const names = reply.inferred?.outputs.map((output) => output.name);
  if (one.expect.only) expect(names).toEqual(one.expect.only);
  if (one.expect.id !== undefined) expect(reply.inferred?.id).toBe(one.expect.id);
}

/** Single words that the notes want in the message; longer ones are for people. */
function checkMessage({ error = '' }: Reply, one: Request): void {
  const words = one.expect['message names'];
  if (words === undefined || /\b(?:or|the|after|both|given)\b/.test(words)) return;
  for (const word of words.split(', ')) expect(error).toContain(word);
}

function numbersOf({ inferred }: Reply, name: string): number[] {
  const bytes = inferred?.bytes.get(name);
  if (bytes) return [...new Float32Array(Uint8Array.from(bytes).buffer)];
  return (inferred?.outputs.find((output) => output.name === name)?.data ?? []).map(Number);
}
