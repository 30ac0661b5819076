/**
 * Keeps onnxruntime from telling its makers how it is used, which it does on Linux and macOS from 1.29 on unless this is
 * in the environment when it is loaded. Whoever has set ORT_DISABLE_TELEMETRY decides.
 *
 * It looks at the environment of the process, and what a worker thread sets is not in there: whoever starts threads that
 * load it calls this before. Source: onnxruntime/core/platform/posix/telemetry.cc.
 */
export function stopTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}
