import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

/** Set where a WebGPU adapter is there: by `runOnSwiftShader`, or by hand on a machine with a GPU. */
export const hasAdapter = process.env['GRAFT_TEST_WEBGPU'] === '1';
/** SwiftShader, a Vulkan driver without a GPU, as Debian's package "chromium" brings it. */
export const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
export const canSpawn = !hasAdapter && existsSync(driver);

/** Runs a test file in a process of its own, where WebGPU finds SwiftShader; says how many tests failed and passed. */
export async function runOnSwiftShader(
  file: string,
): Promise<{ readonly failed: number; readonly passed: number; readonly messages: string[] }> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const runtimeFolder = await mkdtemp(join(tmpdir(), 'graft-xdg-'));
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', file, '--reporter=json'],
      {
        cwd: root,
        maxBuffer: 64 * 2 ** 20,
        env: {
          ...process.env,
          GRAFT_TEST_WEBGPU: '1',
          LD_LIBRARY_PATH: '/usr/lib/chromium',
          VK_ICD_FILENAMES: driver,
          VK_DRIVER_FILES: driver,
          XDG_RUNTIME_DIR: runtimeFolder,
        },
      },
    ).catch((fault: unknown) => z.object({ stdout: z.string() }).parse(fault));
    const report = z
      .object({
        numFailedTests: z.number(),
        numPassedTests: z.number(),
        testResults: z.array(
          z.object({
            assertionResults: z.array(z.object({ failureMessages: z.array(z.string()) })),
          }),
        ),
      })
      .parse(JSON.parse(stdout));
    const { numFailedTests: failed, numPassedTests: passed } = report;
    const messages = report.testResults.flatMap(({ assertionResults }) =>
      assertionResults.flatMap(({ failureMessages }) => failureMessages),
    );
    return { failed, passed, messages };
  } finally {
    await rm(runtimeFolder, { recursive: true, force: true });
  }
}
