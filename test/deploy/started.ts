import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';

/** A server in a process, or in a container that podman runs in the foreground. */
interface Started {
  /** Everything that it wrote until it was ready. */
  readonly said: string;
  /** Ends it in order; its exit status, or the signal that ended it. */
  readonly end: () => Promise<number | string | null>;
}

/** Starts a server and waits until it says that it is ready. It is gone when the test is over. */
export async function started(
  [command = '', ...args]: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly uid?: number;
    readonly gid?: number;
  } = {},
): Promise<Started> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<number | string | null>((resolve) =>
    child.on('exit', (code, by) => resolve(code ?? by)),
  );
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('"msg":"ready"')) resolve();
    });
    void ended.then((how) => reject(new Error(`it ended with ${String(how)}: ${said}`)));
  });
  return {
    said,
    end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
