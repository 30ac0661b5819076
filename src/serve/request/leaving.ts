/**
 * Whether the one who asked has left: an AbortSignal of the few microseconds that each request can spare.
 *
 * Making and listening to a signal of Node's costs more than reading a small request.
 */
export class Leaving {
  #hasLeft = false;
  readonly #listeners = new Set<() => void>();

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Tells all who listen; once. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Calls `listener` on leaving, unless `forget` comes first. */
  whenLeft(listener: () => void): void {
    this.#listeners.add(listener);
  }

  forget(listener: () => void): void {
    this.#listeners.delete(listener);
  }
}
