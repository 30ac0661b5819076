/** A signal by which people and orchestrators end a program. */
type EndSignal = 'SIGTERM' | 'SIGINT';

/**
 * Takes signals over from whoever listened to them, such as the listeners of `main.ts`, which end the process at once.
 *
 * What is returned gives them back, once.
 */
export function takeSignals(signals: readonly EndSignal[], listener: () => void): () => void {
  const undo = signals.map((signal) => {
    const usual = process.rawListeners(signal);
    process.removeAllListeners(signal);
    process.on(signal, listener);
    return () => {
      process.off(signal, listener);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they were listeners of this signal before
      for (const one of usual.splice(0)) process.on(signal, one as () => void);
    };
  });
  return () => {
    for (const each of undo) each();
  };
}
