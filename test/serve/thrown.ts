/** What a function throws; a text that says so when it throws nothing. */
export function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (fault) {
    return fault;
  }
  return 'nothing was thrown';
}
