import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What a title says when certificates cannot be made; empty when they can. */
export const opensslMissing = canRun() ? '' : ' (skipped: there is no openssl)';

function canRun(): boolean {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}

/** Makes a key and a certificate for localhost that it signs itself. */
export function makeCertificate(
  folder: string,
  name = 'server',
): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const out = ['-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...kind, ...names, ...out], {
    stdio: 'pipe',
  });
  return { key, cert };
}
