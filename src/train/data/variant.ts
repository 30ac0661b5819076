import type { LabelledFile } from '../../runtime/folder.ts';
import { openPicturePool } from '../augment/pool.ts';
import type { Augmentation } from '../augment/settings.ts';
import type { FeatureVariant } from '../feature-options.ts';
import { streamSeed } from '../random.ts';
import { joined } from '../rows.ts';
import { unreadable } from './live.ts';

/** A changed pass: each picture's change follows from seed, pass and content. */
export function variantOf(
  augment: Augmentation,
  pass: number,
  { seed, workers }: { readonly seed: number; readonly workers?: number | undefined },
): FeatureVariant {
  return {
    key: JSON.stringify([augment, seed, pass]),
    async *batches(files, digests, { preprocess, batch = 8, strict, onSkip }) {
      const pool = openPicturePool({ preprocess, augment }, { workers });
      const read = async (file: LabelledFile, i: number) => {
        const digest = Number.parseInt((digests[i] ?? '0').slice(0, 8), 16);
        const own = streamSeed(streamSeed(seed, `augment ${pass}`), `augment ${digest}`);
        return { file, outcome: await pool.read(file.path, own) };
      };
      try {
        for (let at = 0; at < files.length; at += batch) {
          const part = files.slice(at, at + batch);
          const done = await Promise.all(part.map((file, i) => read(file, at + i)));
          const good = done.flatMap(({ file, outcome }) => {
            if ('data' in outcome) return [{ file, data: outcome.data }];
            if (strict === true) throw unreadable(file.path, outcome.reason);
            onSkip?.({ path: file.path, reason: outcome.reason });
            return [];
          });
          if (good.length === 0) continue;
          const { size, layout } = preprocess;
          const data = joined(good.map((each) => each.data));
          const channels = data.length / good.length / (size[0] * size[1]);
          const shape =
            layout === 'nchw' ? [good.length, channels, ...size] : [good.length, ...size, channels];
          yield { data, shape, files: good.map(({ file }) => file.path) };
        }
      } finally {
        await pool.close();
      }
    },
  };
}
