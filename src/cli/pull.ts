import { Command } from 'commander';
import { type PullOptions, pull } from '../fetch/pull.ts';
import { sources } from '../fetch/sources.ts';
import { bytesText, print, progressBar } from './terminal.ts';

/** `graft pull`. */
export function pullCommand(): Command {
  return new Command('pull')
    .description('Download published weights or labels: cached, resumed, verified.')
    .argument('<name...>', `one of: ${Object.keys(sources).join(', ')}`)
    .option('--dir <folder>', 'cache folder (default: graft/models in the user’s cache)')
    .option('--mirror <address>', 'address of a folder that has the files')
    .option('-f, --force', 'download again what is there already')
    .action(async (names: string[], options: PullOptions) => {
      for (const name of names) await pullOne(name, options);
    });
}

async function pullOne(name: string, options: PullOptions): Promise<void> {
  const bar = progressBar(name, 'bytes');
  try {
    const result = await pull(name, {
      ...options,
      onProgress: ({ bytes, total }) => bar.update(bytes, total),
    });
    bar.stop();
    print(
      result.path,
      `  ${result.title}, ${bytesText(result.bytes)}, from ${result.address ?? `the ${result.from}`}`,
      `  sha256 ${result.sha256} (${result.checked})`,
    );
  } finally {
    bar.stop();
  }
}
